# Shared by the scripts of this folder, which source it: where the repository is, how to speak, where Rust is.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

# The first line says what is wrong, the others what to do about it.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Whether somebody sits there who can press Ctrl-C or type a password.
at_terminal() { { : >/dev/tty; } 2>/dev/null; }

# Runs a command as root: directly, or through sudo, which asks for a password only where one can be typed.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif at_terminal; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# `sudo make ...` loses the PATH and the toolchain of the person who typed it: take them up again.
find_rust() {
    local home
    if [[ -n ${SUDO_USER:-} ]] && has getent; then
        home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
        if [[ -z ${RUSTUP_HOME:-} && -d $home/.rustup && ! -d $HOME/.rustup ]]; then
            export RUSTUP_HOME=$home/.rustup
        fi
    fi
    has cargo && return
    for home in "${CARGO_HOME:-$HOME/.cargo}" "${home:-$HOME}/.cargo"; do
        if [[ -x $home/bin/cargo ]]; then
            PATH=$PATH:$home/bin
            return
        fi
    done
    die "no Rust toolchain: cargo was not found in PATH or in ~/.cargo/bin." \
        "Install Rust $(wanted_rust) or newer with rustup, or your distribution's if it is new enough."
}

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

need_rust() {
    local found
    find_rust
    found=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
    [[ -n $found ]] || die "rustc does not run." "Try: rustup default stable"
    if [[ $(printf '%s\n' "$(wanted_rust)" "$found" | sort -V | head -n 1) != "$(wanted_rust)" ]]; then
        die "Rust $found is too old: aftercall needs $(wanted_rust) or newer." "Try: rustup update stable"
    fi
}

# SQLite is compiled from C, and Rust links through the C compiler.
need_cc() {
    has cc || die "no C compiler: cc was not found." "On Debian: apt-get install gcc libc6-dev"
}

# python_in VENV REQUIREMENTS WHAT: a Python in this folder with what the file requires, unless it is there already.
python_in() {
    cmp --silent "$2" "$1/installed.txt" && return
    say "About to install into $1, from PyPI: $3 ($2)"
    rm -rf "$1"
    python3 -m venv "$1" || die "python3 cannot make a virtual environment." "On Debian: apt-get install python3-venv"
    "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2" ||
        die "pip could not install $3; its own words are above." \
            "Without a network, connect to one or point pip to an index that it reaches, then run this again."
    cp "$2" "$1/installed.txt"
}

# What root built for somebody who typed sudo stays theirs to build on.
give_back() {
    if [[ $EUID -eq 0 && ${SUDO_UID:-0} -ne 0 && -e target ]]; then
        chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" target
    fi
}
