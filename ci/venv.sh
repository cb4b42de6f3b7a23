#!/usr/bin/env bash
# Makes .venv as constraints.lock.txt says, or finds it whole and ends at once (well below a second).
# Needs no root. This is all that a real cluster's head node needs.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
clean_environment

LOCK=$ROOT/constraints.lock.txt
VENV=$ROOT/.venv
STAMP=$VENV/.installed
UV_VERSION=$(sed -n 's/^uv==//p' "$LOCK")
UV=$CACHE/tools/uv-$UV_VERSION/uv

# A Python 3.10 or newer with venv and pip; the distribution's own first, because others come and go.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3.13 python3.12 python3.11 python3.10 python3; do
        if "$candidate" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# What this .venv was made from; another place, Python or lock gives another fingerprint.
fingerprint() {
    printf 'place %s\n' "$VENV"
    sha256sum <"$LOCK"
}

whole() {
    [ -r "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ] || return 1
    FAULT=$(within 60 "$VENV/bin/python" -I "$ROOT/ci/check_venv.py" "$LOCK" "$@" 2>&1)
}

# The pinned uv as one program in the cache, fetched by a pip of its own.
ensure_uv() {
    local draft
    [ "$(within 10 "$UV" --version 2>/dev/null | cut -d' ' -f1,2)" = "uv $UV_VERSION" ] && return 0
    say "fetching uv $UV_VERSION into $CACHE/tools"
    rm -rf -- "$CACHE/tools/uv-$UV_VERSION"
    mkdir -p -- "$CACHE/tools"
    draft=$(mktemp -d "$CACHE/tools/.draft.XXXXXX")
    quietly "$CACHE/log/uv.log" 120 "$PYTHON" -m venv "$draft/venv" \
        && quietly "$CACHE/log/uv.log" 300 "$draft/venv/bin/python" -m pip install --no-cache-dir "uv==$UV_VERSION" \
        && mkdir "$draft/uv" && mv -- "$draft/venv/bin/uv" "$draft/uv/uv" \
        && mv -- "$draft/uv" "$CACHE/tools/uv-$UV_VERSION"
    local status=$?
    rm -rf -- "$draft"
    return "$status"
}

install_with_uv() {
    export UV_CACHE_DIR=$CACHE/uv
    quietly "$CACHE/log/venv.log" 60 "$UV" venv --quiet --no-project --python "$PYTHON" "$VENV" \
        && quietly "$CACHE/log/venv.log" 300 \
            "$UV" pip sync --quiet --link-mode copy --compile-bytecode --python "$VENV/bin/python" "$LOCK" \
        && finish
}

install_with_pip() {
    quietly "$CACHE/log/venv.log" 120 "$PYTHON" -m venv "$VENV" \
        && quietly "$CACHE/log/venv.log" 600 "$VENV/bin/python" -m pip install --no-deps -r "$LOCK" \
        && finish
}

# The stamp is the last thing written, and only over an environment whose every file was compared.
finish() {
    fingerprint >"$STAMP.draft" && mv -- "$STAMP.draft" "$STAMP"
    whole --content && return 0
    printf 'install: the new environment is not whole: %s\n' "$FAULT" >&2
    rm -f -- "$STAMP"
    return 1
}

# attempt HOW: .venv anew; nothing half-made survives.
attempt() {
    rm -rf -- "$VENV"
    "$@" && return 0
    rm -rf -- "$VENV"
    return 1
}

main() {
    FAULT=""
    whole && return 0
    [ ! -e "$VENV" ] || say "making .venv anew: ${FAULT:-it is unfinished, or made from another lock or place}"
    PYTHON=$(find_python) || die "no Python 3.10 or newer with venv and ensurepip here" \
        "Debian: apt-get install python3 python3-venv (as root)"
    one_at_a_time venv
    whole && return 0
    say "installing $(grep -c '==' "$LOCK") Python packages into $VENV ($("$PYTHON" --version), $PYTHON)"
    if ensure_uv; then
        attempt install_with_uv && return 0
        say "trying once more with an empty cache"
        rm -rf -- "$CACHE/uv"
        attempt install_with_uv && return 0
    fi
    say "trying with pip alone"
    attempt install_with_pip && return 0
    die "the Python packages could not be installed" \
        "the last words above say why; pip and uv read the usual settings (index, proxy, certificates)"
}

main
