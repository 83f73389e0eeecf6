#!/bin/sh
# docker/rotate.sh [FILE] - gives a running cluster in containers new secrets, without a stop and without a lost message.
#
#     docker/rotate.sh              new passwords for PostgreSQL's roles and a new cluster secret
#     docker/rotate.sh FILE         the same, with the text of FILE as the cluster secret, at least 32 bytes
#     COMPOSE=docker-compose docker/rotate.sh
#
# Run it beside docker-compose.yml, with all nodes up. After each step every node reads its files again, and the next
# step waits until each has said so. When it ends with another status than 0, mend what it names and run it again: it
# goes on where it was.
set -eu
compose=${COMPOSE:-docker compose}
wait_seconds=${ROTATE_WAIT_SECONDS:-30}

secrets() { # COMMAND...
  # shellcheck disable=SC2086 # two words, perhaps
  $compose run --rm -T --no-deps secrets "$@" </dev/null
}

nodes() {
  # shellcheck disable=SC2086
  $compose ps -q node
}

# How often a node has taken other secrets: what it uses now, not what it means to.
changes() { # NODE
  docker exec "$1" troupe health -o json </dev/null 2>/dev/null |
    sed -n 's/.* accepted, changed \([0-9]*\) times.*/\1/p'
}

reload_node() { # NODE
  before=$(changes "$1")
  docker kill --signal HUP "$1" >/dev/null
  until=$(($(date +%s) + wait_seconds))
  while now=$(changes "$1"); [ -z "$before" ] || [ "${now:-0}" -le "$before" ]; do
    if [ -z "$before" ] || [ "$(date +%s)" -gt "$until" ]; then
      echo "rotate: node $1 has not taken the secrets; its log says why" >&2
      exit 75
    fi
    sleep 0.1
  done
}

reload() { # WORDS
  for node in $(nodes); do reload_node "$node"; done
  echo "rotate: $1"
}

began=0
secrets rotate || began=$?
if [ "$began" -eq 0 ]; then
  if [ $# -gt 0 ]; then
    # shellcheck disable=SC2086
    $compose run --rm -T --no-deps secrets put node cluster-accepted <"$1"
  fi
  # shellcheck disable=SC2086
  $compose exec -T db /docker-entrypoint-initdb.d/10-troupe.sh </dev/null
  reload "each node accepts the new cluster secret beside the old one"
elif [ "$began" -eq 75 ]; then
  echo "rotate: going on with a rotation that was broken off, and with its cluster secret"
else
  exit "$began"
fi
secrets use
reload "each node uses the new cluster secret"
secrets finish
reload "the old cluster secret is forgotten"
