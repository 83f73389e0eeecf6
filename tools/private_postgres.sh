#!/bin/sh
# A PostgreSQL cluster of our own: one directory, a unix socket, nobody else's business.
#
#   tools/private_postgres.sh start DIR    start it, making it first if need be; prints its connection string
#   tools/private_postgres.sh stop DIR     stop it; the data stay
#   tools/private_postgres.sh status DIR   print the connection string; exit status 3 when it is not running
#   tools/private_postgres.sh remove DIR   stop it and delete its data
#
# DIR only records where the cluster is: data, log and socket are in a short directory under $TMPDIR or /tmp, because the
# path of a unix socket has at most 107 bytes, and because a server started by root runs as another user, who
# must be able to get there. That directory is open to its user alone, so the socket needs no password. All commands may
# be repeated. $TROUPE_PG_BIN names the folder of initdb and postgres when they are not found by themselves.
set -eu

fail() { printf '%s: %s\n' "${0##*/}" "$1" >&2; exit "${2:-1}"; }

usage() { sed -n '4,7s/^#   //p' "$0" >&2; exit 64; }

# The newest server that is installed here.
find_binaries() {
  if [ -n "${TROUPE_PG_BIN:-}" ]; then printf '%s\n' "$TROUPE_PG_BIN"; return; fi
  newest=
  for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin; do
    if [ -x "$folder/initdb" ]; then
      version=$("$folder/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
      newest=$(printf '%s\n%s %s\n' "$newest" "$version" "$folder" | sort -n | tail -n 1)
    fi
  done
  if [ -n "$newest" ]; then printf '%s\n' "${newest#* }"; return; fi
  if command -v initdb >/dev/null; then dirname "$(command -v initdb)"; return; fi
  fail 'no PostgreSQL server is installed here (Debian: apt-get install postgresql-15)' 69
}

# A directory for data, log and socket: short, and without characters that would need quoting.
make_home() {
  base=${TMPDIR:-/tmp}
  case $base in *[!A-Za-z0-9/._-]*) base=/tmp ;; esac
  if [ ${#base} -gt 60 ]; then base=/tmp; fi
  mktemp -d "$base/troupe-pg.XXXXXX"
}

# Root may not run a server: then another user does, in a directory that is theirs.
server_user() {
  if [ "$(id -u)" -ne 0 ]; then return; fi
  for user in postgres nobody; do
    if id "$user" >/dev/null 2>&1; then printf '%s\n' "$user"; return; fi
  done
  fail 'root needs an unprivileged user (postgres or nobody) to run the server as' 69
}

# Runs a command of the server's as its user, with nothing of our environment but what is needed. Descriptor 9 is our lock.
as_server() {
  set -- env -i "PATH=$PATH" "HOME=$home" LC_ALL=C TZ=UTC "$@"
  user=$(server_user)
  if [ -n "$user" ]; then set -- setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all "$@"; fi
  (cd "$home" && exec "$@" 9>&-)
}

# Where nobody collects dead processes (containers without an init), a killed server stays as a zombie, which pg_ctl and the
# server's own lock take for alive.
is_zombie() { [ -r "/proc/$1/stat" ] && sed 's/.*) //' "/proc/$1/stat" | grep -q '^Z'; }

running() {
  [ -n "$home" ] && [ -f "$home/data/postmaster.pid" ] || return 1
  if is_zombie "$(head -n 1 "$home/data/postmaster.pid")"; then return 1; fi
  as_server "$bin/pg_ctl" -D "$home/data" status >/dev/null 2>&1
}

# Removes the lock of a server that is a zombie, after the last of its processes has noticed and ended: they share memory.
clear_zombie() {
  if [ ! -f "$home/data/postmaster.pid" ]; then return; fi
  if ! is_zombie "$(head -n 1 "$home/data/postmaster.pid")"; then return; fi
  tries=100
  while find /proc/[0-9]*/cwd -maxdepth 0 -lname "$home/data" 2>/dev/null | grep -q .; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then fail "processes of a killed server still use $home/data"; fi
    sleep 0.1
  done
  rm -f "$home/data/postmaster.pid" "$home/.s.PGSQL.5432" "$home/.s.PGSQL.5432.lock"
}

conninfo() { printf 'host=%s port=5432 dbname=troupe user=troupe\n' "$home"; }

make_cluster() {
  home=$(make_home)
  user=$(server_user)
  if [ -n "$user" ]; then chown "$user:$(id -g "$user")" "$home"; fi
  chmod 700 "$home"
  if ! output=$(as_server "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C --no-instructions 2>&1); then
    rm -rf "$home"
    fail "initdb failed: $output"
  fi
  # fsync stays on: nodes refuse a server that may lose what it has acknowledged.
  as_server tee -a "$home/data/postgresql.conf" >/dev/null <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$home'
unix_socket_permissions = 0700
port = 5432
max_connections = 200
shared_buffers = 32MB
max_wal_size = 256MB
client_connection_check_interval = 1s
log_line_prefix = '%m [%p] %q%u %a '
log_checkpoints = off
SETTINGS
  printf '%s\n' "$home" >"$dir/postgres.path"
  ln -sfn "$home/log" "$dir/postgres.log"
}

start_server() {
  clear_zombie
  tries=0
  # A server that was killed leaves its lock file and socket; pg_ctl knows whether its process is there. Its sessions may
  # outlive it for moments, and until the last has noticed the server's memory is still in use.
  until as_server "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -s start </dev/null >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 100 ] || ! tail -n 3 "$home/log" 2>/dev/null | grep -q 'still in use'; then
      server_failed
    fi
    sleep 0.1
  done
}

server_failed() {
  tail -n 5 "$home/log" >&2 2>/dev/null || true
  fail "the server did not start, see $home/log"
}

# The role that our programs use owns the database and may make roles; it is no superuser.
make_database() {
  as_server "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$home" -p 5432 -U postgres -d postgres >/dev/null <<'SQL'
SET client_min_messages = warning;
SELECT 'CREATE ROLE troupe_owner NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'troupe_owner') \gexec
SELECT 'CREATE ROLE troupe LOGIN CREATEROLE' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'troupe') \gexec
GRANT troupe_owner TO troupe WITH ADMIN OPTION;
GRANT pg_signal_backend TO troupe_owner;
SELECT 'CREATE DATABASE troupe OWNER troupe TEMPLATE template0' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'troupe') \gexec
REVOKE TEMPORARY ON DATABASE troupe FROM PUBLIC;
SQL
}

start() {
  mkdir -p "$dir"
  exec 9>"$dir/postgres.lock"
  flock 9
  find_home
  if running; then conninfo; return; fi
  if [ -z "$home" ]; then make_cluster; fi
  start_server
  make_database
  conninfo
}

# The cluster that DIR records, if it is still there.
find_home() {
  home=
  if [ -f "$dir/postgres.path" ]; then
    home=$(cat "$dir/postgres.path")
    if [ ! -f "$home/data/PG_VERSION" ]; then home=; fi
  fi
}

stop() { # [MODE]
  find_home
  if ! running; then return; fi
  as_server "$bin/pg_ctl" -D "$home/data" -m "${1:-fast}" -w -t 30 -s stop >/dev/null 2>&1 ||
    as_server "$bin/pg_ctl" -D "$home/data" -m immediate -w -t 30 -s stop >/dev/null 2>&1 ||
    fail "the server did not stop, see $home/log"
}

remove() {
  stop immediate # without the last checkpoint, of data that are deleted
  if [ -n "$home" ]; then rm -rf "$home"; fi
  rm -f "$dir/postgres.path" "$dir/postgres.log" "$dir/postgres.lock"
}

if [ $# -ne 2 ]; then usage; fi
dir=$2
bin=$(find_binaries)
home=
case $1 in
start) start ;;
stop) stop ;;
status) find_home; if running; then conninfo; else printf 'not running\n'; exit 3; fi ;;
remove) remove ;;
*) usage ;;
esac
