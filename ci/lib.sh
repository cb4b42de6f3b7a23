# Words and small tools shared by the set-up scripts; to be sourced by bash, never run.
# shellcheck shell=bash

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
CACHE="${XDG_CACHE_HOME:-${HOME:-/var/cache}/.cache}/dynamo-multinode-qualification"

say() { printf 'install: %s\n' "$*"; }

# die WHAT [WAY OUT]
die() {
    printf 'install: error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'install: hint: %s\n' "$2" >&2
    exit 1
}

# within SECONDS COMMAND...: COMMAND with a deadline; exit status 124 when it was missed.
within() { timeout --kill-after=10 "$@"; }

# quietly LOG SECONDS COMMAND...: as within, with its output in LOG, shown only when it fails.
quietly() {
    local log=$1 status=0
    shift
    mkdir -p -- "$(dirname -- "$log")"
    within "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] && return 0
    tail -n 15 -- "$log" | sed 's/^/    /' >&2
    [ "$status" -ne 124 ] || printf 'install: `%s` did not end within %s s\n' "${*:2}" "$1" >&2
    printf 'install: the whole log: %s\n' "$log" >&2
    return "$status"
}

# The outer shell may stand in an environment of its own, or tell pip and uv where to install. Of their
# variables only those stay that say how a registry is reached.
clean_environment() {
    local name
    unset VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONPLATLIBDIR PYTHONSAFEPATH
    while read -r name; do
        case $name in
            PIP_CERT | PIP_CLIENT_CERT | PIP_CONFIG_FILE | PIP_DEFAULT_TIMEOUT | PIP_EXTRA_INDEX_URL | PIP_FIND_LINKS | \
                PIP_INDEX_URL | PIP_PROXY | PIP_RETRIES | PIP_TRUSTED_HOST) ;;
            UV_DEFAULT_INDEX | UV_EXTRA_INDEX_URL | UV_FIND_LINKS | UV_HTTP_TIMEOUT | UV_INDEX | UV_INDEX_* | \
                UV_INSECURE_HOST | UV_NATIVE_TLS | UV_SYSTEM_CERTS) ;;
            *) unset "$name" ;;
        esac
    done < <(compgen -e | grep -E '^(PIP|UV)_' || true)
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 UV_PYTHON_DOWNLOADS=never
    # The machine's own certificates: behind a proxy with an authority of its own, only these are right.
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" NODE_USE_SYSTEM_CA="${NODE_USE_SYSTEM_CA:-1}"
}

# one_at_a_time NAME: wait for others that install the same thing; the lock ends with this process.
one_at_a_time() {
    mkdir -p -- "$CACHE" || die "cannot make the cache folder $CACHE" "set XDG_CACHE_HOME to a folder that can be written"
    exec {LOCK_FD}>"$CACHE/$1.lock"
    flock --nonblock "$LOCK_FD" && return 0
    say "another installation is at work; waiting for it (at most 10 min)"
    flock --timeout 600 "$LOCK_FD" || die "the other installation did not end within 600 s" "see who holds $CACHE/$1.lock: fuser -v"
}
