#!/usr/bin/env bash
# Builds dist/logmetrics_VERSION_ARCH.deb with dpkg-deb. It brings its libraries with it, for each of these versions of
# the system's Python, so that installing it needs no network:
#   DEB_PYTHONS="3.11 3.12 3.13"          Debian 12, Ubuntu 24.04, Debian 13; "3.10" for Ubuntu 22.04
#   DEB_ARCH=amd64                        or arm64
#   DEB_VERSION=...                       instead of the version of the source
#   DEB_MAINTAINER="NAME <ADDRESS>"       who answers for the package
#   DEB_COMPRESSION=xz                    or zstd, or none, which is quick
#   BUILD=build  DIST=dist                where it works, and keeps the wheels it fetched; where the package goes
# PYTHON is one with pip. Indexes, proxies and certificates are those of the user's pip configuration.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

pythons="${DEB_PYTHONS:-3.11 3.12 3.13}"
arch="${DEB_ARCH:-amd64}"
build="${BUILD:-build}"
dist="${DIST:-dist}"
wheels="$build/wheels"
python="${PYTHON:-.venv/bin/python}"
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1

fail() {
    printf 'logmetrics: %s\n' "$*" >&2
    exit 1
}

case "$arch" in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*) fail "DEB_ARCH is amd64 or arm64, not $arch" ;;
esac
command -v dpkg-deb >/dev/null || fail "there is no dpkg-deb; a .deb is built on Debian or Ubuntu"
"$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip; make venv makes one that has"

version="${DEB_VERSION:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' logmetrics/__init__.py)}"
maintainer="${DEB_MAINTAINER:-The logmetrics authors <logmetrics@localhost>}"
# The same source gives the same package: files are as old as the last commit.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH
root="$build/deb-$arch"
rm -rf "$root"
mkdir -p "$root/DEBIAN" "$dist"

# glibc 2.28 is older than that of any system above.
for_python() {
    local each="$1"
    shift
    "$python" -m pip "$@" --only-binary=:all: --implementation cp --python-version "$each" \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine"
}

# Each Python gets the same release of each library: those of the oldest one, which has the least choice.
download() {
    local each directory="$wheels/$arch" chosen=""
    rm -rf "$directory"
    "$python" scripts/deb/requirements.py >"$root/requirements.txt"
    for each in $pythons; do
        for_python "$each" download -qq --dest "$directory/$each" --requirement "$root/requirements.txt" \
            ${chosen:+--constraint "$chosen"}
        if [ -z "$chosen" ]; then
            chosen="$root/chosen.txt"
            find "$directory/$each" -name '*.whl' -printf '%f\n' | sed 's/^\([^-]*\)-\([^-]*\)-.*/\1==\2/' >"$chosen"
        fi
    done
    { echo "$pythons" && cat "$root/requirements.txt"; } >"$directory/made-for"
    rm -f "$root"/*.txt
}

made_for() {
    echo "$pythons"
    "$python" scripts/deb/requirements.py
}

if ! made_for | cmp -s - "$wheels/$arch/made-for"; then
    printf 'logmetrics: fetching libraries for Python %s on %s\n' "$pythons" "$arch"
    download
fi

# Most libraries are the same for every Python, and here only once.
lib="$root/usr/lib/logmetrics"
mkdir -p "$lib"
own="$(mktemp -d)"
trap 'rm -rf "$own"' EXIT
"$python" -m pip wheel -qq --no-deps --wheel-dir "$own" .
for each in $pythons; do
    tag="cp${each/./}"
    mapfile -t bound < <(find "$wheels/$arch/$each" -name "*-$tag-$tag-*.whl")
    mapfile -t free < <(find "$wheels/$arch/$each" -name '*.whl' ! -name "*-$tag-$tag-*.whl")
    if [ ! -e "$lib/common" ]; then
        for_python "$each" install -qq --no-deps --no-compile --target "$lib/common" "${free[@]}" "$own"/*.whl
        first="$each"
    fi
    for wheel in "${free[@]}"; do # what only this Python needs
        [ -e "$wheels/$arch/$first/${wheel##*/}" ] || bound+=("$wheel")
    done
    for_python "$each" install -qq --no-deps --no-compile --target "$lib/python$each" "${bound[@]}"
done
# Commands of the libraries, with this machine's Python in their first lines; a second form of zstandard, for PyPy.
rm -rf "$lib"/*/bin "$lib"/*/zstandard/_cffi.*.so
# Nine tenths of some libraries are names for debuggers.
if [ "$arch" = "$(dpkg --print-architecture)" ] && command -v strip >/dev/null; then
    find "$lib" -name '*.so' -exec strip --strip-unneeded {} +
fi

install -D -m 0755 scripts/deb/logmetrics "$root/usr/bin/logmetrics"
install -D -m 0640 systemd/config.yaml "$root/etc/logmetrics/config.yaml"
for unit in systemd/*.service systemd/*.socket; do
    install -d "$root/lib/systemd/system"
    sed 's|/usr/local/bin/|/usr/bin/|' "$unit" >"$root/lib/systemd/system/${unit##*/}"
done
install -D -m 0644 systemd/logmetrics.sysusers.conf "$root/usr/lib/sysusers.d/logmetrics.conf"
install -D -m 0644 systemd/logmetrics.tmpfiles.conf "$root/usr/lib/tmpfiles.d/logmetrics.conf"

share="$root/usr/share"
doc="$share/doc/logmetrics"
install -d "$doc"/{packs,guides,reference,examples} "$share"/{man/man1,bash-completion/completions,zsh/vendor-completions} \
    "$share/fish/vendor_completions.d"
install -m 0644 README.md CHANGELOG.md docs/*.md "$doc"
for each in packs guides reference; do
    install -m 0644 docs/"$each"/*.md "$doc/$each"
done
install -m 0644 systemd/config.yaml "$doc/examples/config.yaml"
install -m 0644 examples/config.yaml "$doc/examples/rules.yaml"
printf '%s (%s) unstable; urgency=medium\n\n  * What changed stands in CHANGELOG.md.\n\n -- %s  %s\n' logmetrics "$version" \
    "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
PYTHONPATH="$PWD" "$python" -B scripts/man_page.py "$SOURCE_DATE_EPOCH" | gzip -9n >"$share/man/man1/logmetrics.1.gz"
PYTHONPATH="$PWD" "$python" -B scripts/completion.py bash >"$share/bash-completion/completions/logmetrics"
PYTHONPATH="$PWD" "$python" -B scripts/completion.py zsh >"$share/zsh/vendor-completions/_logmetrics"
PYTHONPATH="$PWD" "$python" -B scripts/completion.py fish >"$share/fish/vendor_completions.d/logmetrics.fish"
"$python" scripts/deb/copyright.py "$lib" >"$doc/copyright"

oldest="$(tr ' ' '\n' <<<"$pythons" | sort -V | head -n 1)"
newest="$(tr ' ' '\n' <<<"$pythons" | sort -V | tail -n 1)"
install -m 0755 scripts/deb/{postinst,prerm,postrm} "$root/DEBIAN"
echo /etc/logmetrics/config.yaml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<TEXT
Package: logmetrics
Version: $version
Architecture: $arch
Maintainer: $maintainer
Section: admin
Priority: optional
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
Depends: python3 (>= $oldest), python3 (<< 3.$((${newest#3.} + 1))), libc6 (>= 2.28), libgcc-s1, libstdc++6, passwd
Recommends: systemd
Suggests: prometheus
Description: Prometheus metrics from the logs of agents and Ollama
 logmetrics tails the logs that agents, coding assistants and model servers
 write already, and serves them as Prometheus metrics: tool calls, latency,
 tokens, tasks, errors. No line of an agent changes, and every log line counts
 exactly once, through kills, restarts and rotation.
TEXT
find "$root" -type d -exec chmod 0755 {} +
find "$lib" -type f -exec chmod 0644 {} +
find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%P\0' | sort -z |
    (cd "$root" && xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
deb="$dist/logmetrics_${version}_$arch.deb"
dpkg-deb --root-owner-group "-Z${DEB_COMPRESSION:-xz}" --build "$root" "$deb" >/dev/null
printf 'logmetrics: built %s (%s)\n' "$deb" "$(du -h "$deb" | cut -f1)"
