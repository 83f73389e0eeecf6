#!/bin/sh
# docker/secrets.sh [COMMAND] - the secrets of a cluster in containers, as files, one folder for each who reads them.
#
#   make                 make what is missing, and leave the rest alone (what `docker compose up` runs)
#   rotate               make all of them anew; of the cluster secret nodes first accept a second one
#   use                  the second step: nodes and clients prove the new cluster secret, nodes accept the old one
#   finish               the third step: the old one is gone
#   put READER FILE      take the text of one file from stdin, in place of what was made
#   list                 name the files and their owners; never what they hold
#
# /secrets/db       read by PostgreSQL's container: the passwords of the roles
# /secrets/migrate  read by the migration: db, a connection string as troupe_migrate
# /secrets/node     read by nodes: db and pgpass, as troupe_node; cluster, the secret that nodes prove to each other, and
#                   while that is rotated cluster-accepted, which they let in beside it
# /secrets/client   read by the command line and the demo: db and pgpass, as troupe_client, and cluster
#
# After each step every node has to read its files again (SIGHUP): docker/rotate.sh does all of it. A step that was
# broken off may be run again, and one that was done already changes nothing.
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

# A node finds its password in a file at each connection it makes, so a new password needs no restart.
node_conninfo() {
  printf 'host=%s port=%s dbname=%s user=troupe_node passfile=/run/secrets/node/pgpass\n' "$server" "$port" "$database"
}

pgpass() { # ROLE
  printf '%s:%s:%s:%s:%s\n' "$server" "$port" "$database" "$1" "$(cat "$root/db/$1")"
}

conninfo() { # ROLE
  printf 'host=%s port=%s dbname=%s user=%s password=%s\n' "$server" "$port" "$database" "$1" "$(cat "$root/db/$1")"
}

# What the readers have is made of what the database has: so the two always fit.
write_database() { # keep|put
  for role in troupe_migrate troupe_node troupe_client; do random | "$1" db "$role"; done
  conninfo troupe_migrate | "$1" migrate db
  pgpass troupe_node | "$1" node pgpass
  node_conninfo | "$1" node db
  conninfo troupe_client | "$1" client db
  pgpass troupe_client | "$1" client pgpass
}

make() {
  write_database keep
  random | keep node cluster
  keep client cluster <"$root/node/cluster"
}

# ---- the cluster secret, in three steps: cluster-old is there from the second one on ----

rotate() {
  if [ -e "$root/node/cluster-old" ]; then
    echo "secrets: the new cluster secret of a rotation is in use already: finish that one" >&2
    exit 75
  fi
  write_database put
  random | keep node cluster-accepted
}

use() {
  if [ ! -s "$root/node/cluster-accepted" ]; then
    if [ -s "$root/node/cluster-old" ]; then return; fi # finish was broken off
    echo "secrets: there is no new cluster secret; rotate makes one" >&2
    exit 75
  fi
  # Both are kept beside what is replaced, so that a step that was broken off goes on with the same two.
  if [ ! -s "$root/node/cluster-old" ]; then
    put node cluster-new <"$root/node/cluster-accepted"
    keep node cluster-old <"$root/node/cluster"
  fi
  put node cluster <"$root/node/cluster-new"
  put node cluster-accepted <"$root/node/cluster-old"
  put client cluster <"$root/node/cluster-new"
}

finish() {
  if [ -s "$root/node/cluster-accepted" ] && [ ! -s "$root/node/cluster-old" ]; then
    echo "secrets: the new cluster secret is not in use yet" >&2
    exit 75
  fi
  rm -f "$root/node/cluster-accepted" "$root/node/cluster-new"
  rm -f "$root/node/cluster-old"
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
  make | rotate | use | finish)
    "${1:-make}"
    ;;
  put)
    case "${2:-}/${3:-}" in
      migrate/db | node/db | node/pgpass | node/cluster | node/cluster-accepted | client/db | client/pgpass | client/cluster) put "$2" "$3" ;;
      *) echo "secrets: there is no ${2:-}/${3:-}" >&2; exit 64 ;;
    esac
    ;;
  list)
    (cd "$root" && ls -ln db migrate node client)
    ;;
  *)
    sed -n '4,9s/^#   //p' "$0" >&2
    exit 64
    ;;
esac
close_folders
