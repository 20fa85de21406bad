#!/usr/bin/env bash
# Installs the programs that tests run logmetrics against, from Debian's packages, where they are missing.
# Without them the tests that need them are skipped, except with CI=true, where nothing may be skipped. What looks at the
# page in a browser, and at dashboards with Grafana's types, comes from npm, into tests/browser and tests/grafana.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

missing() {
    ! command -v "$1" >/dev/null
}

npm_packages() {
    missing npm && return
    for directory in tests/browser tests/grafana; do
        # What is there after an installation that was broken off is not all.
        [ -f "$directory/node_modules/.installed" ] && cmp -s "$directory/package.json" "$directory/node_modules/.installed" && continue
        if (cd "$directory" && npm install --no-package-lock --no-audit --no-fund --silent); then
            cp "$directory/package.json" "$directory/node_modules/.installed"
            continue
        fi
        if [ "${CI:-}" = true ]; then exit 1; fi
        printf 'logmetrics: npm could not install what %s/package.json names; its tests are skipped.\n' "$directory" >&2
    done
}

packages=()
if missing prometheus || missing promtool; then packages+=(prometheus); fi
if missing victoria-metrics; then packages+=(victoria-metrics); fi
if missing prometheus-pushgateway; then packages+=(prometheus-pushgateway); fi
if missing prometheus-node-exporter; then packages+=(prometheus-node-exporter); fi
if missing logrotate && [ ! -x /usr/sbin/logrotate ]; then packages+=(logrotate); fi
for program in strace bzip2 zstd; do
    if missing "$program"; then packages+=("$program"); fi
done
if missing xz; then packages+=(xz-utils); fi
# A Debian of its own, for the package and the service; only root can make one.
if [ "$(id -u)" = 0 ] && missing debootstrap && [ ! -x /usr/sbin/debootstrap ]; then packages+=(debootstrap); fi
if [ ! -x /lib/systemd/systemd-journal-remote ]; then packages+=(systemd-journal-remote); fi
if missing node || missing npm; then packages+=(nodejs npm); fi
if missing chromium && missing chromium-browser && missing google-chrome; then packages+=(chromium); fi
# Any machine that runs systemd has it; containers do not.
if [ "${CI:-}" = true ] && { missing systemd-analyze || missing journalctl; }; then packages+=(systemd); fi
if [ ${#packages[@]} = 0 ]; then
    npm_packages
    exit 0
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf 'logmetrics: installing for the tests, without starting any service: %s\n' "${packages[*]}"
    if bash scripts/apt_install.sh "${packages[@]}"; then
        npm_packages
        exit 0
    fi
fi

printf '\nlogmetrics: some tests need programs that are not here. On Debian and Ubuntu, as root:\n\n' >&2
printf '    bash scripts/apt_install.sh %s\n\n' "${packages[*]}" >&2
if [ "${CI:-}" = true ]; then exit 1; fi
printf 'Going on without them; those tests will say that they are skipped.\n\n' >&2
