#!/usr/bin/env bash
# Installs the Debian packages of ci/packages.txt that are missing; ends at once when none is.
set -euo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# Written while dynamo-multinode-qualification installs packages; removed when it is done."
APT=(apt-get --yes --quiet -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)

wanted() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*$//' "$ROOT/ci/packages.txt"; }

# missing: the wanted packages that are not fully installed, on one line.
missing() {
    # dpkg-query fails when it does not know one of the names; what it says counts.
    wanted | sort | comm -23 - <(
        wanted | xargs dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' 2>/dev/null \
            | sed -n 's/^.i  *//p' | sort -u
    ) | paste -s -d ' '
}

# Debian starts a daemon when it installs it. The testbed runs its own, and one on the machine itself would
# only be in the way; this file is Debian's way to say so. One that the machine has already is respected.
hold_services() {
    if [ -e "$POLICY" ] && ! grep --quiet --fixed-strings "$POLICY_MARK" "$POLICY"; then
        return 0
    fi
    trap 'rm -f -- "$POLICY"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
}

# disable_services PACKAGE...: nothing of what was just installed starts at the next boot either.
disable_services() {
    local units now=()
    command -v systemctl >/dev/null || return 0
    mapfile -t units < <(dpkg --listfiles "$@" | sed -n 's|^\(/usr\)\{0,1\}/lib/systemd/system/\([^/@]*\.service\)$|\2|p' | sort -u)
    [ ${#units[@]} -gt 0 ] || return 0
    [ ! -d /run/systemd/system ] || now=(--now)
    quietly "$CACHE/log/services.log" 60 systemctl disable "${now[@]}" "${units[@]}" \
        || say "could not disable ${units[*]}: they may start at the next boot"
    say "left disabled on this machine: ${units[*]}"
}

# A cluster's own Slurm, from another source than Debian, would be shadowed by Debian's programs.
refuse_foreign_slurm() {
    local srun
    srun=$(command -v srun) || return 0
    dpkg-query --search "$(readlink -f -- "$srun")" >/dev/null 2>&1 && return 0
    die "this machine has a Slurm of its own ($srun); Debian's would stand in its way" \
        "on a real cluster only .venv is needed: make venv"
}

main() {
    local absent
    command -v dpkg-query >/dev/null || die "the testbed needs Debian 12; no dpkg-query here" \
        "on a real cluster only .venv is needed: make venv"
    absent=$(missing)
    [ -n "$absent" ] || return 0
    [ "$(id -u)" -eq 0 ] || die "Debian packages are missing: $absent" \
        "as root: apt-get install --no-install-recommends $absent"
    refuse_foreign_slurm
    one_at_a_time packages
    absent=$(missing)
    [ -n "$absent" ] || return 0
    say "installing Debian packages: $absent"
    # shellcheck disable=SC2206  # package names have no blanks
    local packages=($absent)
    export DEBIAN_FRONTEND=noninteractive
    hold_services
    quietly "$CACHE/log/apt.log" 300 "${APT[@]}" update || say "apt-get update failed; going on with the lists that are here"
    quietly "$CACHE/log/apt.log" 900 "${APT[@]}" install --no-install-recommends "${packages[@]}" \
        || die "apt-get could not install: $absent" "the words above say why; try: apt-get install $absent"
    disable_services "${packages[@]}"
    absent=$(missing)
    [ -z "$absent" ] || die "still missing after apt-get ended well: $absent" "apt-get install --reinstall $absent"
}

main
