#!/bin/bash
# tests/compose/postgres/docker-entrypoint.sh - starts PostgreSQL as the official image does.
#
# As root it gives PGDATA to the user postgres and goes on as that user. An empty PGDATA is made with initdb; then a
# server that listens on its socket only makes the database POSTGRES_DB and runs /docker-entrypoint-initdb.d, as the
# role POSTGRES_USER, and stops. What the official image reads, this one reads: POSTGRES_PASSWORD or
# POSTGRES_PASSWORD_FILE, POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD.
set -Eeo pipefail

die() { echo "docker-entrypoint: $1" >&2; exit 1; }

# A value comes from VAR or from the file that VAR_FILE names; either way it ends as VAR in the environment.
read_variable() { # VAR DEFAULT
  local file=${1}_FILE value=${!1:-}
  if [ -n "$value" ] && [ -n "${!file:-}" ]; then die "both $1 and $file are set"; fi
  if [ -n "${!file:-}" ]; then value=$(<"${!file}"); fi
  export "$1=${value:-$2}"
  unset "$file"
}

prepare() {
  read_variable POSTGRES_PASSWORD ''
  read_variable POSTGRES_USER postgres
  read_variable POSTGRES_DB "$POSTGRES_USER"
  read_variable POSTGRES_INITDB_ARGS ''
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA" || true
  chmod 3775 /var/run/postgresql || true
  if [ "$(id -u)" = 0 ]; then
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
}

sql() { psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" "$@"; }

run_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        if [ -x "$file" ]; then
          echo "docker-entrypoint: running $file"
          "$file"
        else
          echo "docker-entrypoint: reading $file"
          # shellcheck source=/dev/null
          . "$file"
        fi
        ;;
      *.sql)
        echo "docker-entrypoint: running $file"
        sql --dbname "$POSTGRES_DB" -f "$file"
        ;;
      *) echo "docker-entrypoint: ignoring $file" ;;
    esac
  done
}

initialize() {
  local auth
  if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then die 'there is no POSTGRES_PASSWORD'; fi
  ls /docker-entrypoint-initdb.d >/dev/null
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
  auth=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "${@:2}")}
  printf '\nhost all all all %s\n' "$auth" >>"$PGDATA/pg_hba.conf"
  export PGPASSWORD=$POSTGRES_PASSWORD
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "$(printf '%q ' "${@:2}" -c listen_addresses='' -p 5432)" -w start
  if [ -z "$(sql --dbname postgres -At -v db="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")" ]; then
    sql --dbname postgres -v db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  run_files
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  echo 'docker-entrypoint: the database is made'
}

# Debian's server listens on localhost unless it is told otherwise; the official image on all addresses.
if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "$1" = postgres ]; then
  prepare "$@"
  if [ ! -s "$PGDATA/PG_VERSION" ]; then initialize "$@"; fi
  exec "$@" -c listen_addresses='*'
fi
exec "$@"
