#!/usr/bin/env bash
# Installs what is missing on this machine: Debian packages, .venv, the testbed's image, the report renderer.
# Each part says what it installs, and is silent and quick when there is nothing to do.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

"$ROOT/ci/packages.sh"
"$ROOT/ci/venv.sh"
clean_environment
cd -- "$ROOT"
within 900 .venv/bin/python -m testbed image build </dev/null || die "the testbed's image could not be built" "the words above say why"
# A run keeps its results and its JUnit file without a renderer: its absence is told, and is no failure.
within 600 .venv/bin/python -m reports --install </dev/null || true
