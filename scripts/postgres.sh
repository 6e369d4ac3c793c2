#!/usr/bin/env bash
# A private PostgreSQL for tests: `postgres.sh start [--fast]` prints its URL, `postgres.sh stop` ends it.
#
# It lies in a temporary folder and listens on a socket there, which nobody else may enter; as root it runs as the user
# postgres. Starting what runs already prints its URL again. --fast gives up what survives a power cut.
set -euo pipefail
cd "$(dirname "$0")/.."
POINTER=$PWD/target/postgres
die() { printf 'postgres: %s\n' "$*" >&2; exit 1; }

bin() {
  local newest
  newest=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1)
  if [ -n "$newest" ]; then printf '%s' "$newest"; else dirname "$(command -v initdb || die 'no initdb: install PostgreSQL')"; fi
}
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
folder() { [ -s "$POINTER" ] && cat "$POINTER"; }
runs() { as_postgres "$BIN/pg_ctl" -D "$1/data" status >/dev/null 2>&1; }
url() { printf 'postgres://postgres@localhost/postgres?host=%s\n' "$1"; }

BIN=$(bin)
case ${1:-} in
  start)
    if dir=$(folder) && [ -d "$dir" ] && runs "$dir"; then url "$dir"; exit 0; fi
    mkdir -p target
    dir=$(mktemp -d "${TMPDIR:-/tmp}/org-portal-pg.XXXXXX")
    # Before anything can fail, so that `stop` finds it.
    printf '%s\n' "$dir" > "$POINTER"
    if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; fi
    chmod 700 "$dir"
    cd "$dir"
    as_postgres "$BIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; die 'initdb failed'; }
    options="-c listen_addresses='' -c unix_socket_directories='$dir' -c max_connections=300 -c shared_buffers=256MB"
    if [ "${2:-}" = --fast ]; then options+=' -c fsync=off -c synchronous_commit=off -c full_page_writes=off'; fi
    as_postgres "$BIN/pg_ctl" -D "$dir/data" -l "$dir/server.log" -o "$options" -w -t 60 start >/dev/null || { cat "$dir/server.log" >&2; die 'the server did not start'; }
    url "$dir" ;;
  stop)
    dir=$(folder) || exit 0
    if [ -d "$dir" ]; then
      if runs "$dir"; then (cd / && as_postgres "$BIN/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null); fi
      rm -rf "$dir"
    fi
    rm -f "$POINTER" ;;
  *) die 'usage: postgres.sh start [--fast] | stop' ;;
esac
