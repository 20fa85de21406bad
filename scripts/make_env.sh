#!/usr/bin/env bash
# Makes the private environment .venv and installs logmetrics into it, editable:
#   scripts/make_env.sh [EXTRA]          EXTRA: an extra of pyproject.toml, such as test
#
# VENV names another directory. PYTHON chooses the interpreter: without it an environment that works is kept, whichever
# Python it has, else python3 is taken.
# Indexes, proxies and certificates are those of the user's pip configuration; none are named here.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

extra="${1:-}"
venv="${VENV:-.venv}"
python="${PYTHON:-python3}"
# A user's "user = true" would refuse to install into any virtual environment.
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1

fail() {
    printf '\nlogmetrics: %s\n' "$@" >&2
    exit 1
}

# Without pyvenv.cfg a .venv/bin/python is the system's Python, with the system's pip.
pip_works() {
    [ -e "$venv"/pyvenv.cfg ] && "$venv"/bin/python -m pip --version
}

# Start again from nothing. The mark inside stays until everything is installed, so that a run that was interrupted
# leaves something that the next run recognises.
clear_env() {
    rm -rf "$venv"
    mkdir "$venv"
    : >"$venv"/.unfinished
}

from_venv() {
    clear_env
    "$python" -m venv "$venv" && pip_works
}

# Debian and Ubuntu keep ensurepip, which venv needs for pip, in a package of its own.
from_venv_and_other_pip() {
    clear_env
    "$python" -m venv --without-pip "$venv" && { get_pip "$python" -m pip || get_pip pip3 || get_pip pip; }
}

get_pip() {
    "$@" --version >/dev/null 2>&1 && "$@" --python "$venv"/bin/python install --quiet pip && pip_works
}

from_virtualenv() {
    command -v virtualenv >/dev/null || return 1
    clear_env
    virtualenv --quiet --python "$(command -v "$python")" "$venv" && pip_works
}

# uv fetches this one pip by its own configuration; everything after that comes through pip.
from_uv() {
    command -v uv >/dev/null || return 1
    clear_env
    uv venv --quiet --seed --allow-existing --python "$(command -v "$python")" "$venv" && pip_works
}

from_apt() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    printf 'logmetrics: %s cannot make environments; installing Debian'\''s python%s-venv\n' "$python" "$version" >&3
    bash scripts/apt_install.sh "python$version-venv" && from_venv
}

make_env() {
    local way said=""
    for way in from_venv from_venv_and_other_pip from_virtualenv from_uv from_apt; do
        if said+="$("$way" 2>&1)"; then return; fi
        said+=$'\n'
    done 3>&2
    rm -rf "$venv"
    printf '%s\n' "$said" | sed '/^$/d' >&2
    fail "cannot make an environment with $python; what was tried stands above.
Install what it lacks, then run make again. On Debian and Ubuntu, as root:

    apt-get install python$version-venv"
}

command -v "$python" >/dev/null ||
    fail "there is no $python; install Python 3.10 or newer, or name one: make demo PYTHON=python3.12"
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "Python 3.10 or newer is needed, and $python is $version; name another one: make demo PYTHON=python3.12"
# The environment that is activated can be the .venv that is about to be removed; take the Python it was made from.
python="$("$python" -c 'import sys; print(sys.argv[1] if sys.prefix == sys.base_prefix else sys._base_executable)' "$python")"

same_python() {
    local which='import sys; print(sys.version, sys.base_prefix)'
    [ "$("$python" -c "$which")" = "$("$venv"/bin/python -c "$which")" ]
}

supported() {
    "$venv"/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 10))'
}

usable() {
    [ ! -e "$venv"/.unfinished ] && pip_works && if [ -n "${PYTHON:-}" ]; then same_python; else supported; fi
}

# What the environment depends on: scripts in it name this directory.
state() {
    pwd
    cat pyproject.toml
}

if usable >/dev/null 2>&1; then
    # An environment with an extra has everything that one without has.
    for stamp in "$venv"/.made-for-"$extra"*; do
        if state | cmp -s - "$stamp"; then exit 0; fi
    done
    rm -f "$venv"/.made-for-*
else
    printf 'logmetrics: making a private environment in %s with %s (%s)\n' "$venv" "$python" "$version"
    make_env
fi

printf 'logmetrics: installing logmetrics%s into %s\n' "${extra:+ with the extra "$extra"}" "$venv"
# tests/test_install.py needs --python, which pip has since 22.3.
"$venv"/bin/python -m pip install --quiet 'pip>=22.3'
"$venv"/bin/python -m pip install --quiet --editable ".${extra:+[$extra]}"
state >"$venv"/.made-for-"$extra"
rm -f "$venv"/.unfinished
