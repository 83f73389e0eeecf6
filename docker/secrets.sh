#!/bin/sh
# docker/secrets.sh [COMMAND] - the secrets of a cluster in containers, as files, one folder for each who reads them.
#
#   make                 make what is missing, and leave the rest alone (what `docker compose up` runs)
#   rotate               make all of them anew
#   put READER FILE      take the text of one file from stdin, in place of what was made
#   list                 name the files and their owners; never what they hold
#
# /secrets/db       read by PostgreSQL's container: the passwords of the roles
# /secrets/migrate  read by the migration: db, a connection string as troupe_migrate
# /secrets/node     read by nodes: db, as troupe_node, and cluster, the secret that nodes prove to each other
# /secrets/client   read by the command line and the demo: db and pgpass, as troupe_client, and cluster
#
# Each folder is a volume that only its reader mounts, so a node cannot read the password that the migration has.
# A file belongs to the user that reads it, and nobody else can. Several of these may run at once: a file appears
# whole or not at all, and the first one stays.
set -eu
umask 077
root=${TROUPE_SECRETS_DIR:-/secrets}
node_uid=10001 # the user of our image, see docker/Dockerfile
server=${TROUPE_DB_HOST:-db}
port=${TROUPE_DB_PORT:-5432}
database=${TROUPE_DB_NAME:-troupe}

# The image of this service is PostgreSQL's own, so that it knows its user's number.
owner() { # READER
  if [ "$1" = db ]; then id -u postgres 2>/dev/null || echo 999; else echo "$node_uid"; fi
}

random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# Writes stdin to a new file beside FILE, for READER alone, and prints its path.
draft() { # READER FILE
  draft_path=$root/$1/.$2.$(random)
  cat >"$draft_path"
  if [ ! -s "$draft_path" ]; then
    rm -f "$draft_path"
    echo "secrets: no text for $1/$2" >&2
    exit 65
  fi
  chmod 0400 "$draft_path"
  chown "$(owner "$1")" "$draft_path"
  printf '%s\n' "$draft_path"
}

# A link is made or refused in one step: who comes second finds that there is one.
keep() { # READER FILE, text on stdin
  if [ -s "$root/$1/$2" ]; then
    cat >/dev/null
    return
  fi
  new=$(draft "$1" "$2")
  if [ -e "$root/$1/$2" ] && [ ! -s "$root/$1/$2" ]; then rm -f "$root/$1/$2"; fi
  if ln "$new" "$root/$1/$2" 2>/dev/null; then echo "secrets: $1/$2 is new"; fi
  rm -f "$new"
  [ -s "$root/$1/$2" ]
}

put() { # READER FILE, text on stdin
  new=$(draft "$1" "$2")
  mv -f "$new" "$root/$1/$2"
  echo "secrets: $1/$2 is new"
}

conninfo() { # ROLE
  printf 'host=%s port=%s dbname=%s user=%s password=%s\n' "$server" "$port" "$database" "$1" "$(cat "$root/db/$1")"
}

# What the readers have is made of what the database has: so the two always fit.
write_all() { # keep|put
  for role in troupe_migrate troupe_node troupe_client; do random | "$1" db "$role"; done
  conninfo troupe_migrate | "$1" migrate db
  conninfo troupe_node | "$1" node db
  conninfo troupe_client | "$1" client db
  printf '%s:%s:%s:troupe_client:%s\n' "$server" "$port" "$database" "$(cat "$root/db/troupe_client")" | "$1" client pgpass
  random | "$1" node cluster
  "$1" client cluster <"$root/node/cluster"
}

# The folder is its reader's too: nobody else can even see which files there are. Drafts of one that was killed go.
close_folders() {
  for reader in db migrate node client; do
    find "$root/$reader" -name '.*' -type f -mmin +10 -exec rm -f '{}' +
    chmod 0500 "$root/$reader"
    chown "$(owner "$reader")" "$root/$reader"
  done
}

case ${1:-make} in
  make)
    write_all keep
    ;;
  rotate)
    write_all put
    ;;
  put)
    case "${2:-}/${3:-}" in
      migrate/db | node/db | node/cluster | client/db | client/pgpass | client/cluster) put "$2" "$3" ;;
      *) echo "secrets: there is no ${2:-}/${3:-}" >&2; exit 64 ;;
    esac
    ;;
  list)
    (cd "$root" && ls -ln db migrate node client)
    ;;
  *)
    sed -n '4,7s/^#   //p' "$0" >&2
    exit 64
    ;;
esac
close_folders
