# Shared by the scripts that need programs and files from Debian packages, after lib.sh.
# A need is "WHAT|PACKAGES": a program, a path with a slash in front, "postgresql" (its server, which Debian keeps off
# the path) or "python3 venv".
# shellcheck shell=bash

present() {
    case $1 in
        "python3 venv") python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
        postgresql) compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || has initdb ;;
        /*) [[ -e $1 ]] ;;
        *) has "$1" ;;
    esac
}

missing_of() {
    local need
    for need; do
        present "${need%%|*}" || printf '%s\n' "$need"
    done
}

# need_root REMEDY: that what is installed from here on can be.
need_root() {
    [[ $EUID -ne 0 ]] || return 0
    has sudo || die "installing needs root, and there is no sudo." "$1"
    at_terminal || sudo -n true 2>/dev/null ||
        die "installing needs root, and sudo wants a password that nobody can type here." "$1"
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# install_missing WHO NEED...: installs what this machine lacks. Says so first; does nothing when nothing lacks.
install_missing() {
    local who=$1 missing names packages by_hand
    shift
    mapfile -t missing < <(missing_of "$@")
    if [[ ${#missing[@]} -eq 0 ]]; then
        say "Everything that $who is installed."
        return
    fi

    names=$(printf '%s, ' "${missing[@]%%|*}")
    read -ra packages <<<"${missing[*]#*|}"
    by_hand="By hand, as root: apt-get update && apt-get install ${packages[*]}"
    say "This machine lacks something that $who: ${names%, }."

    has apt-get || die "this machine has no apt-get, the only package manager that these scripts use." \
        "Install these in your system's own way: ${names%, }."
    need_root "$by_hand"
    say "About to install with apt-get: ${packages[*]}"
    if ! { apt update && apt install -y --no-install-recommends "${packages[@]}"; }; then
        die "apt-get failed; its own words are above." \
            "Without a network, connect to one or point apt to a mirror that it reaches, then run this again." "$by_hand"
    fi

    mapfile -t missing < <(missing_of "$@")
    if [[ ${#missing[@]} -gt 0 ]]; then
        names=$(printf '%s, ' "${missing[@]%%|*}")
        die "apt-get was content, but these are still not found: ${names%, }." \
            "Is another program of that name earlier in PATH, such as a Python of your own? PATH is $PATH"
    fi
    say "Installed: ${packages[*]}"
}
