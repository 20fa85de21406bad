#!/usr/bin/env bash
# Installs Debian packages as root, without letting the services that they bring run:
#   scripts/apt_install.sh PACKAGE...
#
# Packages ask policy-rc.d before they start a service, under any init system; "exit 101" says no. It is there for
# this one installation only, and an administrator's own policy is left as it is. That alone would let the service
# start at the next boot, so what was not installed before is disabled too.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
new=()
for package; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || new+=("$package")
done

if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

install() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install -y --no-install-recommends "$@" </dev/null
}

# Package lists that are missing or too old are the usual reason for a failure.
install "$@" 2>/dev/null || { apt-get -qq update && install "$@"; }

for package in "${new[@]}"; do
    if command -v systemctl >/dev/null && systemctl cat "$package.service" >/dev/null 2>&1; then
        systemctl --quiet disable "$package.service"
        # Only an administrator's policy that allows it lets the service get this far.
        [ ! -d /run/systemd/system ] || systemctl --quiet stop "$package.service"
    fi
done
