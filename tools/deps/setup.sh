# For tools/run and tools/test, which source it with `root` set: packages, dependencies, builds.
# One line on standard error for each phase; the details go to $log and are shown when it fails.

log=$root/build/setup.log

build_packages="gcc g++ cmake ninja-build pkgconf xz-utils ca-certificates
    liburing-dev libck-dev libmsgpack-dev libc-ares-dev zlib1g-dev libidn2-dev
    libcurl4-openssl-dev libsqlite3-dev libpq-dev libmicrohttpd-dev libsystemd-dev libnats-dev"

say() { echo "trawl: $*" >&2; }

# Only one set-up works in the build folder at a time; held until descriptor 9 is closed.
setup_begin() {
    mkdir -p "$root/build"
    exec 9>"$root/build/.lock"
    if ! flock -n 9; then
        say "waiting for another build in $root/build"
        flock 9
    fi
    : >"$log"
}

setup_end() { exec 9>&-; }

# phase TEXT COMMAND...
phase() {
    say "$1"
    shift
    echo "+ $*" >>"$log"
    if ! "$@" >>"$log" 2>&1; then
        show_failure >&2
        say "failed: the whole log is in $log"
        return 1
    fi
}

# The end of what the last phase said; of a build, its first failure.
show_failure() {
    awk '/^\+ / { text = ""; failed = 0 }
        /^FAILED: / && !failed { text = ""; failed = 1 }
        { text = text $0 "\n" }
        END { printf "%s", text }' "$log" >"$log.phase"
    if grep -q '^FAILED: ' "$log.phase"; then
        head -n 60 "$log.phase"
    else
        tail -n 40 "$log.phase"
    fi
    rm -f "$log.phase"
}

missing_packages() {
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null) in
        installed*) ;;
        *) echo "$package" ;;
        esac
    done
}

# Can those of the packages that are missing be installed? Asks for a password here, not in the midst
# of a log. Sets `missing` and `as_root`.
can_install() {
    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian: install what CMakeLists.txt asks for, then 'cmake --preset release'"
        return 1
    fi
    missing=$(missing_packages "$@" | xargs)
    as_root=
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        as_root=sudo
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            say "packages are missing, and installing them takes root. As root:"
            say "  apt-get install --no-install-recommends $missing"
            return 1
        fi
        sudo -v
    fi
}

install_packages() {
    can_install "$@" || return 1
    [ -n "$missing" ] || return 0
    phase "installing $(echo "$missing" | wc -w) Debian packages" \
        $as_root "$root/tools/deps/apt-install" $missing
}

build_libraries() {
    "$root/tools/deps/build" boringssl >/dev/null && "$root/tools/deps/build" yyjson >/dev/null
}

# build_preset NAME
build_preset() {
    build_libraries &&
        phase "building trawl, preset $1" configure_and_build "$1"
}

configure_and_build() { (cd "$root" && cmake --preset "$1" && cmake --build --preset "$1"); }
