#!/usr/bin/env bash
# Writes constraints.lock.txt anew from pyproject.toml and constraints.txt, for every Python from 3.10 on.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd -- "$ROOT"

draft=$(mktemp .lock.XXXXXX)
trap 'rm -f -- "$draft"' EXIT
uv=$(command -v .venv/bin/uv || command -v uv) || die "no uv here" "run make venv first"
clean_environment
{
    printf '# Everything that is installed, as `make lock` found it from pyproject.toml and constraints.txt.\n'
    within 300 "$uv" pip compile --quiet --universal --python-version 3.10 --fork-strategy fewest --no-header \
        --group dev --constraint constraints.txt pyproject.toml
} >"$draft"
chmod 644 "$draft"
mv -- "$draft" constraints.lock.txt
say "wrote constraints.lock.txt: $(grep -c '==' constraints.lock.txt) packages"
