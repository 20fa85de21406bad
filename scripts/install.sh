#!/usr/bin/env bash
# Installs logmetrics as a service of this machine from this checkout, or takes it away again. As root:
#   scripts/install.sh install        again for an upgrade; nothing that an administrator changed is overwritten
#   scripts/install.sh uninstall      config and state stay, unless PURGE=1
#
#   PYTHON=/usr/bin/python3    for the private environment; every user must be able to run it
#   PREFIX=/usr/local          the command goes to PREFIX/bin, units to PREFIX/lib/systemd/system, the man page and
#                              completion for bash, zsh and fish to PREFIX/share
#   APP_DIR=/opt/logmetrics    the private environment
#   DESTDIR=                   put everything below this directory, for packaging: no user is made, no unit is touched
# Indexes, proxies and certificates are those of the user's pip configuration.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

destdir="${DESTDIR:-}"
prefix="${PREFIX:-/usr/local}"
app="${APP_DIR:-/opt/logmetrics}"
etc=/etc/logmetrics
state=/var/lib/logmetrics
command="$prefix/bin/logmetrics"
# systemd looks below /usr and /usr/local, not below any other prefix.
case "$prefix" in
/usr | /usr/local) lib="$prefix/lib" ;;
*) lib=/etc ;;
esac
umask 022

say() {
    printf 'logmetrics: %s\n' "$@"
}

fail() {
    printf 'logmetrics: %s\n' "$@" >&2
    exit 1
}

systemd_runs() {
    [ -z "$destdir" ] && [ -d /run/systemd/system ]
}

# A pyenv below /root works for root alone, so the system's own Python comes first.
find_python() {
    local python
    for python in ${PYTHON:-/usr/bin/python3 /usr/local/bin/python3 python3}; do
        if command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            command -v "$python"
            return
        fi
    done
    fail "Python 3.10 or newer is needed, and ${PYTHON:-python3} is none; name one: make install PYTHON=/usr/bin/python3.12"
}

# The new environment is complete before anything points at it: an install that fails leaves the old one at work.
make_environment() {
    local python="$1" name="$2" version said
    local environment="$destdir$app/$name"
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    mkdir -p "$destdir$app"
    trap 'rm -rf "$environment"' EXIT
    if ! said="$("$python" -m venv "$environment" 2>&1)"; then
        printf '%s\n' "$said" >&2
        fail "$python cannot make an environment; on Debian and Ubuntu this helps: apt-get install python$version-venv"
    fi
    PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$environment/bin/python" -m pip install -qq . ||
        fail "the libraries cannot be installed; what stands above says why. What was installed before is as it was"
    "$environment/bin/logmetrics" --version >/dev/null
    # The shell in between has no rights left that would find a Python in a closed directory.
    if [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups \
        sh -c '"$0" -c ""' "$environment/bin/python" 2>/dev/null; then
        fail "only root can run $python, and the service is not root; name one that all can: make install PYTHON=/usr/bin/python3"
    fi
    if [ -n "$destdir" ]; then # scripts name the place where they will be
        grep -rlIZ --exclude-dir=site-packages -- "$destdir" "$environment" | xargs -0r sed -i "s|$destdir||g"
    fi
    trap - EXIT
}

# A service that runs may still load modules of the environment it was started from: that one stays until the next time.
swap_environment() {
    local name="$1" before
    before="$(readlink "$destdir$app/current" 2>/dev/null || true)"
    ln -sfn "$name" "$destdir$app/current.new"
    mv -T "$destdir$app/current.new" "$destdir$app/current"
    find "$destdir$app" -mindepth 1 -maxdepth 1 -name 'env-*' ! -name "$name" ! -name "${before:-none}" -exec rm -rf {} +
}

install_command() {
    local link="$destdir$command"
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        fail "$link is there already and not ours; move it away, or choose another PREFIX"
    fi
    mkdir -p "${link%/*}"
    ln -sfn "$app/current/bin/logmetrics" "$link"
}

install_units() {
    local unit
    for unit in systemd/*.service systemd/*.socket; do
        install -d "$destdir$lib/systemd/system"
        sed "s|^ExecStart=/usr/local/bin/logmetrics|ExecStart=$command|" "$unit" >"$destdir$lib/systemd/system/${unit##*/}"
        if [ "$lib" != /etc ] && [ -e "$destdir/etc/systemd/system/${unit##*/}" ]; then
            say "/etc/systemd/system/${unit##*/} is there, too, and counts instead of the one in $lib; remove it, or keep only" \
                "what you changed, with: systemctl edit ${unit##*/}"
        fi
    done
    install -D -m 0644 systemd/logmetrics.sysusers.conf "$destdir$lib/sysusers.d/logmetrics.conf"
    install -D -m 0644 systemd/logmetrics.tmpfiles.conf "$destdir$lib/tmpfiles.d/logmetrics.conf"
}

# What a shell and man know of the command, where both look below /usr/local and /usr.
pages() {
    local share="$destdir$prefix/share"
    printf '%s\n' "$share/man/man1/logmetrics.1" "$share/bash-completion/completions/logmetrics" \
        "$share/zsh/site-functions/_logmetrics" "$share/fish/vendor_completions.d/logmetrics.fish"
}

install_pages() {
    local python="$1" man bash zsh fish
    { read -r man && read -r bash && read -r zsh && read -r fish; } < <(pages)
    mkdir -p "${man%/*}" "${bash%/*}" "${zsh%/*}" "${fish%/*}"
    "$python" -B scripts/man_page.py >"$man"
    "$python" -B scripts/completion.py bash >"$bash"
    "$python" -B scripts/completion.py zsh >"$zsh"
    "$python" -B scripts/completion.py fish >"$fish"
}

make_user() {
    [ -z "$destdir" ] || return 0
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "$lib/sysusers.d/logmetrics.conf" 2>&1
    elif ! getent passwd logmetrics >/dev/null; then
        useradd --system --user-group --no-create-home --home-dir "$state" --shell /usr/sbin/nologin \
            --comment "Log-to-metrics converter" logmetrics
    fi
}

# The config is the administrator's from the first day on; what it could hold now lies beside it.
install_config() {
    local owner=(-o root -g logmetrics) service=(-o logmetrics -g logmetrics)
    if [ -n "$destdir" ]; then owner=() service=(); fi
    [ -d "$destdir$etc" ] || install -d -m 0750 "${owner[@]}" "$destdir$etc"
    [ -d "$destdir$state" ] || install -d -m 0750 "${service[@]}" "$destdir$state"
    install -m 0640 "${owner[@]}" systemd/config.yaml "$destdir$etc/config.yaml.example"
    if [ ! -e "$destdir$etc/config.yaml" ]; then
        install -m 0640 "${owner[@]}" systemd/config.yaml "$destdir$etc/config.yaml"
    elif ! cmp -s "$destdir$etc/config.yaml" systemd/config.yaml; then
        say "$etc/config.yaml stays as it is; the one of this version is $etc/config.yaml.example"
    fi
}

running_units() {
    systemctl list-units --plain --no-legend 'logmetrics.service' 'logmetrics@*.service' | awk '$3 == "active" { print $1 }' | xargs
}

install_all() {
    local python name running
    python="$(find_python)"
    name="env-$(date -u +%Y%m%dT%H%M%S)-$$"
    say "installing into $app with $python"
    make_environment "$python" "$name"
    install_command
    install_units
    install_pages "$destdir$app/$name/bin/python"
    make_user
    install_config
    swap_environment "$name"
    say "$("$destdir$app/current/bin/python" -m logmetrics --version) is at $command"
    systemd_runs || return 0
    systemctl daemon-reload
    running="$(running_units)"
    if [ -n "$running" ]; then
        say "what runs is still the version before; nothing is lost by: systemctl restart $running"
    else
        say "set what it reads in $etc/config.yaml, then: systemctl enable --now logmetrics"
    fi
}

uninstall_all() {
    local unit
    if systemd_runs; then
        systemctl list-units --all --plain --no-legend 'logmetrics.socket' 'logmetrics.service' 'logmetrics@*.service' |
            awk '{ print $1 }' | xargs -r systemctl stop
    fi
    if [ -z "$destdir" ]; then # links in /etc that enabling made; no running systemd is needed
        find /etc/systemd/system -path '*.wants/logmetrics*' -type l -delete 2>/dev/null || true
    fi
    for unit in systemd/*.service systemd/*.socket; do
        rm -f "$destdir$lib/systemd/system/${unit##*/}"
    done
    rm -f "$destdir$lib/sysusers.d/logmetrics.conf" "$destdir$lib/tmpfiles.d/logmetrics.conf"
    if [ "$(readlink "$destdir$command" 2>/dev/null)" = "$app/current/bin/logmetrics" ]; then rm -f "$destdir$command"; fi
    pages | xargs -d '\n' rm -f
    rm -rf "$destdir$app"/env-* "$destdir$app/current"
    rmdir "$destdir$app" 2>/dev/null || true
    if systemd_runs; then systemctl daemon-reload; fi
    if [ "${PURGE:-}" = 1 ]; then
        rm -rf "$destdir$etc" "$destdir$state"
        say "gone, with config and state; the user logmetrics stays, so that nobody else gets its number"
    else
        say "gone; $etc and $state stay, and so does the user logmetrics (PURGE=1 takes config and state, too)"
    fi
}

[ "$(id -u)" = 0 ] || [ -n "$destdir" ] || fail "this needs root: sudo make ${1:-install}"
case "${1:-}" in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail "usage: scripts/install.sh install|uninstall" ;;
esac
