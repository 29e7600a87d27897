#!/bin/sh
# deps.sh [coverage] - install what building, running and testing needs (or what `make coverage` wants beside it); or print
# the exact command.
set -eu

debian="gcc make pkg-config libncurses-dev libreadline-dev libcurl4-openssl-dev libcjson-dev libsqlite3-dev
libutf8proc-dev libmd4c-dev libpng-dev libjpeg-dev libinih-dev libseccomp-dev libssl-dev libcmocka-dev
python3 python3-pytest python3-pexpect python3-pyte python3-cloudpickle bubblewrap nodejs tmux"
fedora="gcc make pkgconf ncurses-devel readline-devel libcurl-devel cjson-devel sqlite-devel utf8proc-devel md4c-devel
libpng-devel libjpeg-turbo-devel inih-devel libseccomp-devel openssl-devel libcmocka-devel glibc-static python3 python3-pytest python3-pexpect
python3-pyte python3-cloudpickle bubblewrap nodejs tmux"
arch="base-devel ncurses readline curl cjson sqlite libutf8proc md4c libpng libjpeg-turbo libinih libseccomp openssl cmocka python
python-pytest python-pexpect python-pyte python-cloudpickle bubblewrap nodejs tmux"
brew="ncurses readline curl cjson sqlite utf8proc md4c libpng jpeg-turbo inih openssl cmocka"

if [ "${1:-}" = coverage ]; then
    debian=gcovr fedora=gcovr arch=gcovr brew=gcovr
    command -v gcovr >/dev/null 2>&1 && exit 0
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

can_install() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

if command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for p in $debian; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' && continue
        # Another package, or a program installed by hand, may provide the command.
        case $p in
        gcc | make | tmux | python3 | nodejs) command -v "${p%js}" >/dev/null 2>&1 && continue ;;
        esac
        missing="$missing $p"
    done
    [ -n "$missing" ] || exit 0
    if can_install; then
        echo "deps: installing$missing" >&2
        as_root apt-get update -q >/dev/null
        # shellcheck disable=SC2086
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
        exit 0
    fi
    echo "deps: missing packages. Run: sudo apt-get install$missing" >&2
    exit 3
fi

# Elsewhere we only know the names.
# shellcheck disable=SC2086
if [ "${1:-}" != coverage ] && pkg-config --exists ncursesw readline libcurl libcjson sqlite3 libutf8proc md4c libpng libjpeg inih libseccomp libcrypto; then
    exit 0
elif command -v dnf >/dev/null 2>&1; then
    echo "deps: Run: sudo dnf install" $fedora >&2
elif command -v pacman >/dev/null 2>&1; then
    echo "deps: Run: sudo pacman -S --needed" $arch >&2
elif command -v brew >/dev/null 2>&1; then
    echo "deps: Run: brew install" $brew "(the local sandbox needs Linux)" >&2
else
    echo "deps: unknown system; the packages are, in Debian's names:" $debian >&2
fi
exit 3
