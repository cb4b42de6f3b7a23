#!/usr/bin/env bash
# Removes what tools left in the checkout. Runs are evidence, and stay; so do .venv and the cache.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd -- "$ROOT"

rm -rf -- .mypy_cache .pytest_cache .ruff_cache .hypothesis
find . -path ./.venv -prune -o -path ./runs -prune -o -name __pycache__ -type d -prune -exec rm -rf -- {} +
[ ! -d runs ] || say "kept: runs/ ($(du -sh runs | cut -f1)); rm -r runs drops them"
say "kept: .venv, and $CACHE"
