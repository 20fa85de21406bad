#!/usr/bin/env bash
# Installs the programs that bench/ compares logmetrics with, from Debian's packages, where they are missing: mtail, and
# compilers for the limits in Go and C. What is not there is not measured, and RESULTS.md says so.
#
# Fluent Bit, Vector, Promtail and grok_exporter are in no Debian release: they are measured where they are on PATH, or
# where FLUENT_BIT, VECTOR, PROMTAIL and GROK_EXPORTER name them.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

missing() {
    ! command -v "$1" >/dev/null
}

packages=()
if missing "${MTAIL:-mtail}"; then packages+=(mtail); fi
if missing go; then packages+=(golang-go); fi
if missing gcc; then packages+=(gcc libc6-dev); fi
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf 'logmetrics: installing for the benchmarks, without starting any service: %s\n' "${packages[*]}"
    if bash scripts/apt_install.sh "${packages[@]}"; then exit 0; fi
fi

printf '\nlogmetrics: some programs to compare with are not here. On Debian and Ubuntu, as root:\n\n' >&2
printf '    bash scripts/apt_install.sh %s\n\n' "${packages[*]}" >&2
printf 'Going on without them; bench/RESULTS.md will say that they were not found.\n\n' >&2
