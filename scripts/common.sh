# Sourced by the scripts beside it: words for the reader, durations, where things are.
# Not a program; it changes nothing by itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${FIREBREAK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firebreak}
bin=${CARGO_TARGET_DIR:-$root/target}/debug

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
note() { printf '   %s\n' "$*"; }
fail() { printf '!! %s\n' "$*" >&2; exit 1; }

parts=()

# part NAME COMMAND…: runs the command and remembers how long it took. A shell function given as the
# command must return non-zero by itself where a step of it fails: `set -e` does not reach into it.
part() {
    local name=$1 began=$SECONDS
    shift
    say "$name"
    "$@" || fail "$name failed after $((SECONDS - began)) s"
    parts+=("$(printf '%6d s  %s' "$((SECONDS - began))" "$name")")
}

report_parts() {
    say "durations"
    printf '   %s\n' "${parts[@]}"
    printf '   %6d s  in all\n' "$SECONDS"
}

is_root() { [ "$(id -u)" = 0 ]; }

# The newest PostgreSQL server programs on this machine, or nothing.
postgres_bin() {
    local folder
    if [ -n "${FIREBREAK_POSTGRES_BIN:-}" ]; then
        echo "$FIREBREAK_POSTGRES_BIN"
        return
    fi
    folder=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$folder" ] && [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
        echo "$folder"
    fi
}
