#!/bin/bash
# tests/cli/errors.sh BUILD_DIR - what troupe says when PostgreSQL, the schema or a name is not there, on a private
# PostgreSQL of its own; and what the views look like through it.
set -uo pipefail
build=$(realpath "${1:?usage: tests/cli/errors.sh BUILD_DIR}")
# shellcheck source=tests/cli/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
postgres=$top/tools/private_postgres.sh
trap '"$postgres" remove "$work/postgres" >/dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 70 # no .troupe here

ran troupe
check "no command is usage" ended_with 64
check "no command shows the help" says '^Usage: troupe'
ran troupe ndoe list
check "an unknown command gets a suggestion" fails_as 64 1002 'ndoe list'
check "the suggestion is the near one" says 'did you mean: troupe node list'
ran troupe node list --limmit 5
check "an unknown option is refused" fails_as 64 1001 '--limmit'
check "an unknown option gets a suggestion" says 'did you mean --limit'
ran troupe node list -o json --nodes 3
check "with -o json an error is JSON on stderr" says '^\{"error":\{"code":"TRP-1001"'
ran troupe help spawn
check "help describes a command" prints '--durable'

ran troupe node list --db "host=$work/nobody"
check "no PostgreSQL" fails_as 69 2001 'cannot be reached'
PGHOST=$work/nobody ran troupe name list
check "no PostgreSQL, by PGHOST" fails_as 69 2001 'cannot be reached'
ran troupe node list --db 'nonsense=1'
check "a connection string that is none" fails_as 64 1001 'connection string'

conninfo=$("$postgres" start "$work/postgres") || { echo "not ok a private PostgreSQL starts"; exit 1; }
host=${conninfo#host=} host=${host%% *}
as_admin() { psql -X -q -v ON_ERROR_STOP=1 -h "$host" -U postgres -d troupe "$@"; }
export PGHOST=$host PGPORT=5432 PGUSER=troupe PGDATABASE=troupe

ran troupe node list --db "$conninfo"
check "no schema" fails_as 78 2003 'no Troupe schema'
check "no schema: the hint says what to do" says 'troupe db migrate'
ran troupe db status
check "no schema, by PG*" fails_as 78 2003 'no Troupe schema'
ran troupe node list --db "$conninfo dbname=nowhere"
check "no such database" fails_as 69 2006 'does not exist'

for i in 1 2 3 4 5; do troupe db migrate >"$work/migrate$i" 2>&1 & done
wait
said=$(sed -n 's/.*migration [0-9]* of [0-9]*, \([0-9]*\) applied now/\1/p' "$work"/migrate?)
check "five that migrate at once all succeed" [ "$(wc -l <<<"$said")" = 5 ]
files=("$top"/migrations/*.sql)
check "each migration was applied once" [ $((${said//$'\n'/+})) = ${#files[@]} ]
ran troupe db migrate -o json
check "migrating again does nothing" json 'j["applied"] == 0 and j["version"] == j["latest"]'
ran troupe db status -o json
check "db status lists the migrations" json 'j[-1]["id"] == len(j) > 0 and all("sha256" in m for m in j)'
ran troupe node list -o json
check "no nodes are an empty array" json 'j == []'
ran troupe node list
check "no nodes are a table with titles only" prints '^name +node_id +state'

ran troupe name whereis nobody
check "no such name" fails_as 65 4001 'no such name: "nobody"'
ran troupe actor show nobody
check "no such actor by name" fails_as 65 4001 'no such name: "nobody"'
ran troupe actor show '<7.42>'
check "no such actor by pid" fails_as 65 4004 '<7.42>'
ran troupe name whereis $'evil\e[31m\nname'
check "what was typed comes back escaped" fails_as 65 4001 'evil.x1b.31m.nname'
check "what was typed cannot harm the terminal" hides $'\e'
ran troupe actor list --node n9
check "no such node" fails_as 69 3001 'no such node: "n9"'
ran troupe call nobody t '{}'
check "no way to a node" fails_as 78 3004 'admin socket'
ran troupe call nobody t '{}' --admin "$work/none.sock"
check "no node at the admin socket" fails_as 69 3002 'none.sock'
(umask 077; printf '%064d\n' 7 >"$work/secret")
ran troupe call nobody t '{}' --secret-file "$work/secret"
check "no node that is up" fails_as 69 3001 'no node'
ran troupe call nobody t '{}' --secret-file "$work/none"
check "no secret" fails_as 78 1004 'none'
ran troupe call nobody t '{"x":}'
check "JSON that is none" fails_as 65 4005 JSON
check "JSON that is none: where it goes wrong" says 'byte 6'
ran troupe event tail --after x
check "an epoch that is none" fails_as 64 1001 'epoch'

# The policy. PGUSER owns the schema here, since it has migrated.
policy_is() { # ROLE SPAWN EXIT REGISTER
  ran troupe policy list -o json
  json "[p for p in j if p['role'] == '$1'] == [dict(role='$1', may_spawn=$2, may_exit=$3, may_register=$4)] and [p['role'] for p in j] == ['client', 'node']"
}
check "the policy of a new cluster forbids nothing" policy_is client True True True
ran troupe policy set client may_spawn=false may_exit=false
check "policy set shows what holds now" prints '^client +no +no +yes$'
check "policy set changes what it names" policy_is client False False True
check "policy set changes that role only" policy_is node True True True
ran troupe policy set node may_register=false -o json
check "policy set: JSON is one object" json "j == dict(role='node', may_spawn=True, may_exit=True, may_register=False)"
ran troupe policy unset client may_exit
check "policy unset: one right is true again" policy_is client False True True
ran troupe policy unset client
check "policy unset: all are" policy_is client True True True
as_admin -c "DELETE FROM troupe.policy WHERE role = 'client'"
check "a role without a row may do nothing" policy_is client False False False
ran troupe policy set client may_exit=true
check "policy set: the rest stays forbidden" policy_is client False True False
ran troupe policy unset client
ran troupe policy set clients may_exit=true
check "policy set: no such role" fails_as 64 1001 'no such role: "clients"'
check "it says which there are" says 'client, .* or node'
ran troupe policy set client may_kill=false
check "policy set: no such right" fails_as 64 1001 'no such right: "may_kill"'
check "and which there are" says 'may_spawn, may_exit and may_register'
ran troupe policy set client may_spawn=yes may_exit=no
check "policy set: the words of the table do too" policy_is client True False True
ran troupe policy unset client
ran troupe policy set client may_exit=perhaps
check "policy set: neither true nor false" fails_as 64 1001 'may_exit is true .yes. or false'
ran troupe policy set client may_exit
check "policy set: no value" fails_as 64 1001 'may_exit is true .yes. or false'
ran troupe policy set client may_exit=true may_exit=false
check "policy set: a right given twice" fails_as 64 1001 'given twice'
ran troupe policy set client
check "policy set: no right" fails_as 64 1001 'arguments are missing'
ran troupe policy unset client may_exit=true
check "policy unset takes no value" fails_as 64 1001 'no such right: "may_exit=true"'
check "what is refused changes nothing" policy_is client True True True
as_admin -c "CREATE ROLE looker LOGIN" -c 'GRANT CONNECT ON DATABASE troupe TO looker' -c 'GRANT USAGE ON SCHEMA troupe TO looker' \
  -c 'GRANT SELECT ON troupe.migrations, troupe.policies TO looker'
PGUSER=looker ran troupe policy list
check "who may look may list it" ended_with 0
PGUSER=looker ran troupe policy set client may_exit=false
check "but may not change it" fails_as 77 2007 'may not'
check "and is told who may" says 'troupe_owner'

# Rows that nodes would write, by the functions of the schema: evil texts must not reach the terminal.
as_admin >/dev/null <<'SQL'
SELECT troupe.node_join('n1', '127.0.0.1', 1, gen_random_uuid(), 60000);
INSERT INTO troupe.name (name, node_id, actor_id, durable, strict, behavior, behavior_version, checkpoint, state)
  SELECT 'evil', n.node_id, 9007199254740993, true, false, E'b\x1b[31m', 1, 'each', '{"cents": 5, "memo": "\u202eeman"}' FROM troupe.node n;
SQL
id=$(as_admin -At -c 'SELECT max(n.node_id) FROM troupe.node n')
ran troupe name list
check "texts of others are escaped in a table" prints 'b.x1b\[31m'
check "texts of others cannot harm the terminal" hides $'\e'
ran troupe name list -o json
check "64-bit ids are strings" json 'j[0]["actor_id"] == "9007199254740993" and isinstance(j[0]["node_id"], str)'
ran troupe actor show "<$id.9007199254740993>" -o json
check "a state is JSON in JSON" json 'j["state"]["cents"] == 5 and j["state"]["memo"] == "\u202eeman"'
check "what could harm a terminal is escaped in JSON" prints '.u202eeman'
ran troupe call x t '{}' --secret-file "$work/secret"
check "a node that is up by its row and gone" fails_as 69 3002 'no node answers'

as_admin -c "INSERT INTO troupe.migration (id, name, sha256, applied_by) SELECT 9999, '9999_future', m.sha256, m.applied_by FROM troupe.migration m LIMIT 1"
ran troupe node list
check "a schema that is too new" fails_as 78 2005 'newer'
ran troupe db migrate
check "a schema that is too new is not migrated" fails_as 78 2005 ''
as_admin -c 'DELETE FROM troupe.migration WHERE id = 9999'
as_admin -c 'DELETE FROM troupe.migration WHERE id = (SELECT max(m.id) FROM troupe.migration m)'
ran troupe node list
check "a schema that is too old" fails_as 78 2004 'older'

# A user whose password is asked for.
as_admin -c "CREATE ROLE guarded LOGIN PASSWORD 'right'" -c 'GRANT CONNECT ON DATABASE troupe TO guarded'
hba=$(as_admin -At -c 'SHOW hba_file')
sed -i '1i local all guarded scram-sha-256' "$hba"
as_admin -c 'SELECT pg_reload_conf()' >/dev/null
refused() {
  PGPASSWORD=wrong ran troupe node list --db "host=$host port=5432 user=guarded dbname=troupe"
  grep -q TRP-2002 "$work/err"
}
check "a wrong password is refused as such" await 10 refused
PGPASSWORD=canary-4711 ran troupe node list --db "host=$host port=5432 user=guarded dbname=troupe"
check "a wrong password" fails_as 77 2002 password
check "a wrong password is not printed" hides canary
# A node that starts is told at once, and ends: only what may mend itself is tried again.
node_says() { # STATUS CODE WORDS COMMAND...
  local wanted=$1 code=$2 words=$3
  shift 3
  ran timeout 10 "$@" --config /dev/null --name x --listen 127.0.0.1:0
  ended_with "$wanted" && says "\"code\":\"TRP-$code\"" && says "$words"
}
check "trouped with a wrong password" node_says 77 2002 'password authentication failed' \
  env PGPASSWORD=canary-4711 trouped --db "host=$host port=5432 user=guarded dbname=troupe"
check "which it does not print" hides canary
check "nor where in the server's source that was" hides LOCATION
check "trouped without a password that is asked for" node_says 77 2002 'no password' \
  trouped --db "host=$host port=5432 user=guarded dbname=troupe"
check "trouped as a user that is not there" node_says 77 2002 'nobody4711' \
  trouped --db "host=$host port=5432 user=nobody4711 dbname=troupe"
check "trouped with a database that is not there" node_says 69 2006 'nowhere4711' \
  trouped --db "host=$host port=5432 user=postgres dbname=nowhere4711"
PGPASSWORD=right ran troupe node list --db "host=$host port=5432 user=guarded dbname=troupe"
check "a role without rights" fails_as 77 2007 'may not'
finish
