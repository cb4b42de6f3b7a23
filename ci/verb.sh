#!/usr/bin/env bash
# ci/verb.sh qualify|qualify-disagg|soak N|soak-healthy N|faults|test: installs what is missing, then hands over to
# ci/qualify.py, ci/healthy.py, ci/faults.py or ci/check.py.
# The exit code is pytest's own; make turns any failure into 2.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

job=()
case ${1-} in
    qualify) module=ci.qualify ;;
    qualify-disagg) module=ci.qualify job=(--disagg) ;;
    soak) module=ci.qualify job=(--soak "${2:?how many cycles?}") ;;
    soak-healthy) module=ci.healthy job=(--runs "${2:?how many runs?}") ;;
    faults) module=ci.faults ;;
    test) module=ci.check ;;
    *) die "which verb? expected qualify, qualify-disagg, soak, soak-healthy, faults or test, got '${1-}'" ;;
esac
started=$SECONDS
cd -- "$ROOT"
"$ROOT/ci/install.sh" || {
    status=$?
    printf '%s: INVALID: nothing ran, the installation failed (%s s)\n' "$1" "$((SECONDS - started))"
    exit "$status"
}
clean_environment
exec .venv/bin/python -m "$module" "${job[@]}" --spent-s "$((SECONDS - started))"
