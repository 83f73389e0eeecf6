#!/bin/bash
# tests/cli/cluster.sh BUILD_DIR [CASE...] - troupe against a private cluster of its own.
#
#   dev       up, up again, status, kill, start, down, down again, up with the data kept, purge
#   actions   call, send, spawn, exit; every way in which they can be wrong
#   look      groups and actors as their node sees them
#   remote    the same over TCP, with the right secret, a wrong one, and nodes that are not there
#   flood     strangers in thousands, while numbers are counted over the session of two nodes
#   daemon    trouped itself: signals, the admin socket, a taken name, a taken port, modules that do not load
set -uo pipefail
build=$(realpath "${1:?usage: tests/cli/cluster.sh BUILD_DIR [CASE...]}")
shift
# shellcheck source=tests/cli/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
module=$build/modules/cli_counter.so
here=$work/a\ path/that-is-quite-long/$(printf 'x%.0s' {1..100})
mkdir -p "$here"
chmod -R 711 "$work"
cd "$here" || exit 70
declare -a started=()

clean() {
  local pid
  for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  troupe dev down --purge >/dev/null 2>&1
  cd / || exit 70
  rm -rf "$work"
}
trap clean EXIT

up() { ran troupe dev up --module "$module" --no-fsync --lease-ttl 2s "$@"; }

field() { # EXPRESSION over dev.json, called j
  python3 -c 'import json,sys; j = json.load(open(".troupe/dev.json")); print(eval(sys.argv[1]))' "$1"
}

node_pid() { field "[n['pid'] for n in j['nodes'] if n['name'] == '$1'][0]"; }

state_of() { # NODE STATE
  troupe node list -o json >"$work/out" 2>"$work/err" && json "[n['state'] for n in j if n['name'] == '$1'] == ['$2']" >/dev/null
}

prints_total() { # NAME TOTAL
  ran troupe call "$1" cli.get '{}'
  grep -qx "cli.total {\"total\":$2,\"memo\":null}" "$work/out"
}

has_no_holder() {
  ran troupe name whereis "$1"
  [ "$status" -eq 65 ]
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }

tail_listens() {
  ran troupe dev psql -- -At -c "SELECT 'yes' FROM pg_stat_activity a WHERE a.query LIKE '%troupe.events v%' AND a.state = 'idle'"
  grep -q yes "$work/out"
}

# ---- dev ----

case_dev() {
  local pids
  ran troupe dev status
  check "without a cluster dev status says so" fails_as 69 5003 'no private cluster'
  ran troupe dev down
  check "without a cluster dev down has nothing to do" ended_with 0
  up --nodes 3
  check "dev up starts three nodes in a long path with spaces" ended_with 0
  check "dev up says what it did, with times" prints '^\[ *[0-9.]+s\] node +n3 up as node'
  check "dev up says that fsync is off" prints 'fsync is off'
  check "the secret is ours alone" [ "$(stat -c %a .troupe/secret)" = 600 ]
  ran troupe node list -o json
  check "three nodes are up" json "[(n['name'], n['state']) for n in j] == [('n1','up'),('n2','up'),('n3','up')]"
  pids=$(field "[n['pid'] for n in j['nodes']]")
  up --nodes 3
  check "dev up again succeeds" ended_with 0
  check "dev up again leaves the nodes alone" [ "$(field "[n['pid'] for n in j['nodes']]")" = "$pids" ]
  up --nodes 4 -o json
  check "a fourth node joins" json "[n['name'] for n in j['nodes']] == ['n1','n2','n3','n4'] and [n['pid'] for n in j['nodes']][:3] == $pids"
  ran troupe dev up --lease-ttl 9s
  check "other options need a restart" fails_as 69 5002 'other modules or options'
  ran troupe dev status -o json
  check "dev status knows what runs" json "j['postgres'] == 'running' and all(n['state'] == 'running' for n in j['nodes'])"
  ran troupe dev psql -- -At -c 'SELECT count(*) FROM troupe.nodes'
  check "dev psql asks the private database" prints '^4$'
  ran troupe dev kill n2
  check "dev kill ends a node" ended_with 0
  check "its death is seen by the others" await 10 state_of n2 down
  ran troupe event list -o json
  check "its death is an event" json "any(e['kind'] == 'node_down' and e['node'] == 'n2' for e in j)"
  ran troupe dev kill n2
  check "a dead node cannot be killed" fails_as 69 3001 'n2'
  ran troupe dev start n2
  check "dev start starts it again" ended_with 0
  check "it is up again" await 10 state_of n2 up
  ran troupe node list --all -o json
  check "both its starts are listed with --all" json "len([n for n in j if n['name'] == 'n2']) == 2"
  ran troupe dev start n9
  check "an unknown node is not started" fails_as 69 3001 'n9'
  case_dev_down "$pids"
}

case_dev_down() { # PIDS
  local pid left=0
  ran troupe spawn cli.counter --name kept --durable '{"by": 5}'
  check "a durable actor starts" ended_with 0
  ran troupe dev down
  check "dev down succeeds" ended_with 0
  for pid in ${1//[^0-9 ]/}; do
    if [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"; then left=1; fi
  done
  check "no node runs after dev down" [ "$left" = 0 ]
  check "dev.json is gone after dev down" [ ! -e .troupe/dev.json ]
  ran troupe dev down
  check "dev down twice is fine" ended_with 0
  up --nodes 2
  check "dev up works again" ended_with 0
  check "a durable actor is there again" await 10 prints_total kept 5
  kill -KILL "$(head -n 1 .troupe/pg/data/postmaster.pid)"
  up --nodes 2
  check "dev up starts a PostgreSQL that was killed" ended_with 0
  cp .troupe/dev.json "$work/stale.json"
  ran troupe dev down --purge
  check "dev down --purge leaves nothing" [ ! -e .troupe ]
  # A dev.json whose pids were given to somebody else in the meantime.
  mkdir .troupe && sed "s/\"pid\":[[:space:]]*[0-9]*/\"pid\": $$/" "$work/stale.json" >.troupe/dev.json
  ran troupe dev status -o json
  check "a pid that is somebody else's counts as stopped" json "all(n['state'] == 'stopped' for n in j['nodes'])"
  ran troupe dev down
  check "a pid that is somebody else's is not signalled" ended_with 0
  rm -rf .troupe
  case_dev_failures
}

# Sends what Ctrl-C sends once dev up has printed that step.
interrupt_at() { # STEP
  local pid
  : >"$work/out"
  set -m # a process group of its own, in which SIGINT is not ignored
  troupe dev up --no-fsync --module "$module" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
  set +m
  await 30 grep -q "] $1 " "$work/out"
  kill -INT -- "-$pid"
  status=0
  wait "$pid" || status=$?
}

nothing_runs() {
  local file
  for file in /proc/[0-9]*/cmdline; do
    if tr '\0' ' ' <"$file" 2>/dev/null | grep -qF "$here/.troupe"; then return 1; fi
  done
  [ ! -e .troupe/dev.json ]
}

case_dev_failures() {
  local step
  for step in postgres node; do
    interrupt_at "$step"
    check "Ctrl-C after the step $step is answered with 130" ended_with 130
    check "Ctrl-C after the step $step leaves nothing running" await 10 nothing_runs
  done
  up --module "$work/none.so"
  check "a module that is not there stops dev up before it starts" fails_as 78 1005 'none.so'
  printf 'no shared object\n' >"$work/broken.so"
  chmod 644 "$work/broken.so"
  ran troupe dev up --no-fsync --module "$work/broken.so"
  check "a module that does not load fails dev up" ended_with 69
  check "it says which node ended" says 'TRP-5002: node n1 ended'
  check "the reason is in the detail" says 'broken.so'
  check "a failed dev up leaves no dev.json" [ ! -e .troupe/dev.json ]
  check "a failed dev up leaves nothing running" await 10 nothing_runs
  TROUPE_PG_BIN=/nonexistent ran troupe dev up
  check "no PostgreSQL programs" fails_as 69 5001 'nonexistent'
  printf 'garbage' >.troupe/dev.json
  ran troupe dev status
  check "a dev.json that is garbage is named" fails_as 78 1003 'dev.json'
  rm -f .troupe/dev.json
}

# ---- actions ----

case_actions() {
  up --nodes 2
  check "a cluster is up" ended_with 0
  wrong_and_right
  ran troupe spawn cli.counter '{"by": 7}'
  ran troupe actor show "$(tr -d '<>' <"$work/out")"
  check "an actor without a name is shown by its node" prints '^state +\{"total":7\}$'
  ran troupe exit no-such-name shutdown
  check "exit: no such name" fails_as 65 4001 'no-such-name'
  ran troupe spawn cli.counter --node n2 --name far
  check "spawn on the other node" prints '^<[0-9]+\.[0-9]+>$'
  ran troupe name whereis far -o json
  check "it runs there" json "j['node'] == 'n2'"
  ran troupe call far cli.add '{"by": 3}'
  check "call by name reaches the other node" prints '^cli.total \{"total":3'
  ran troupe spawn cli.counter --name far
  check "spawn: the name is taken" fails_as 65 4006 'far'
  ran troupe exit far shutdown
  check "exit ends it" ended_with 0
  check "its name is free again" await 10 has_no_holder far
  ran troupe call no-such-name cli.get '{}'
  check "call: no such name" fails_as 65 4001 'no-such-name'
  ran troupe spawn cli.counter --node n9
  check "spawn: no such node" fails_as 69 3001 'n9'
  waits_for_nodes
  ran timeout 20 troupe event tail --after 0 --count 2 -o json
  check "event tail prints what it is asked for" [ "$(wc -l <"$work/out")" = 2 ]
  tail_sees_a_death
}

# ---- look ----

lists_room() { # NODE
  troupe group list --node "$1" -o json >"$work/out" && json "[(g['group'], g['members'], g['node']) for g in j] == [('room', 1, '$1')]"
}

case_look() {
  local escape=$'room \x1b'
  up --nodes 2
  check "a cluster is up" ended_with 0
  ran troupe group list
  check "without groups there is only a title" prints '^group +members +local +watchers +node$'
  ran troupe spawn cli.counter --name ada --node n2
  ran troupe call ada cli.join '{"group": "room"}'
  ran troupe group list --node n2 -o json
  check "a group is listed by its node" json "[(g['group'], g['members'], g['node']) for g in j] == [('room', 1, 'n2')]"
  check "and soon by every other" await 10 lists_room n1
  ran troupe group members room --node n2 -o json
  check "its member is listed" json "len(j) == 1 and j[0]['pid'].startswith('<')"
  ran troupe group members room --node n2 --local -o json
  check "on its own node it is local" json "len(j) == 1"
  ran troupe group members room --node n1 --local -o json
  check "on another none is" json "j == []"
  ran troupe group list --node n1 -o json
  check "which the list says too" json "[(g['members'], g['local']) for g in j] == [(1, 0)]"
  ran troupe group members room --node n7
  check "no such node" fails_as 69 3001 'n7'
  ran troupe group members "$escape"
  check "what is no name is refused" fails_as 65 4010 'not the name of a group'
  sees_actors
  changes_metadata
  ran env TROUPE_DB="$(field "j['db']")" troupe tree --node n2 --secret-file .troupe/secret -o json
  check "over TCP: the tree of the node that is named" json "j['node'] == 'n2'"
  ran env TROUPE_DB="$(field "j['db']")" troupe actor show ada --secret-file .troupe/secret -o json
  check "over TCP: an actor by its node" json "j['handled'] >= 1"
  follows_an_actor
}

knows_metadata() { # NODE NAME METADATA: what a node says of another, and its row
  troupe node list -o json >"$work/out" 2>"$work/err" && json "[n['metadata'] for n in j if n['name'] == '$2'] == [$3]"
}

changes_metadata() {
  ran troupe node metadata n2 zone=a rack='7 left'
  check "metadata is put" prints '^zone=a,rack=7 left$'
  check "and soon in the row" await 10 knows_metadata n1 n2 "{'zone': 'a', 'rack': '7 left'}"
  ran troupe node metadata n2 zone=b --remove rack,none -o json
  check "it is changed and removed" json "j == {'node': 'n2', 'metadata': 'zone=b'}"
  check "which the row has too" await 10 knows_metadata n1 n2 "{'zone': 'b'}"
  ran troupe event list -o json
  check "each change is an event" json "[e['node'] for e in j if e['kind'] == 'node_metadata'] == ['n2', 'n2']"
  ran troupe node metadata n2
  check "it is shown" prints '^zone=b$'
  ran troupe node metadata n2 'zo ne=c'
  check "what is no key is refused" fails_as 65 4010 'keys 1 to 63'
  ran troupe node metadata n2 zone
  check "what is no entry is refused" fails_as 64 1001 'KEY=VALUE'
  ran troupe node metadata n9 zone=c
  check "metadata of no node" fails_as 69 3001 'n9'
}

sees_actors() {
  local pid
  ran troupe actor show ada -o json
  check "actor show: the row and what the node says" json "j['name'] == 'ada' and j['status'] == 'running' and j['handled'] >= 1 and j['member_of'] == ['room'] and j['state'] == {'total': 0} and j['mailbox_messages'] == 0 and j['memory_bytes'] > 100"
  ran troupe actor show ada
  check "actor show: one key a line" prints '^member_of +\["room"\]$'
  ran troupe call ada cli.grow '{}'
  ran troupe tree --node n2
  check "tree: a child below its supervisor" prints '^    <[0-9.]+> +cli.counter +leaf +0 +0 +n2$'
  check "tree: the supervisor below who started it" prints '^  <[0-9.]+> +troupe.supervisor'
  ran troupe tree --node n2 -o json
  check "tree as JSON" json "len(j['actors']) == 3 and j['children'][0]['id'] == 'leaf' and j['node'] == 'n2'"
  pid=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["children"][0]["pid"].strip("<>"))' "$work/out")
  ran troupe exit "$pid" kill
  check "tree: restarts are counted" await 10 has_restarts
  ran troupe actor list --node n2 --sort -handled -o json
  check "actor list --sort asks the node" json "len(j) == 3 and [a['handled'] for a in j] == sorted([a['handled'] for a in j], reverse=True)"
  ran troupe actor list --node n2 --sort -memory --limit 1
  check "actor list: the largest" prints '^pid +name +behavior +mailbox_messages +oldest_message_seconds +handled +memory_bytes +busy$'
  check "actor list: so many" [ "$(wc -l <"$work/out")" = 2 ]
  ran troupe actor list --sort -beauty
  check "actor list: no such key" fails_as 65 4010 'sort is'
  ran troupe tree --node n7
  check "tree: no such node" fails_as 69 3001 'n7'
  ran env TROUPE_DIR=/nonexistent troupe actor show ada --admin "$(field "j['nodes'][1]['admin_socket']")"
  check "actor show --admin needs no database" prints '^handled +[0-9]+$'
}

follows_an_actor() {
  local tracer
  troupe actor trace ada --values --seconds 30 -o json >"$work/trace" 2>"$work/trace.err" </dev/null &
  tracer=$!
  started+=("$tracer")
  check "actor trace: what it receives, with its value" await 20 traced_a_call
  check "actor trace: what it sends" grep -q '"event":"sent".*"signal":"reply"' "$work/trace"
  ran troupe exit ada shutdown
  check "actor trace: its end, and then its own" await 20 has_ended "$tracer"
  check "actor trace: the last line is the end" trace_ends_with_the_actor
  ran troupe spawn cli.counter --name bob --node n2
  ran troupe actor trace bob --seconds 1
  check "actor trace ends by its time" ended_with 0
  ran troupe actor trace nobody
  check "actor trace: no such name" fails_as 65 4001 'nobody'
}

trace_ends_with_the_actor() { tail -1 "$work/trace" | grep -q '"event":"ended","reason":"shutdown"'; }

traced_a_call() {
  troupe call ada cli.add '{"by": 5, "memo": "two words"}' >/dev/null
  grep -q '"event":"received".*"type":"cli.add".*"value":{"by":5,"memo":"two words"}' "$work/trace"
}

has_restarts() {
  ran troupe tree --node n2 -o json
  json "j['children'][0]['restarts'] == 1"
}

# What is the same by admin socket and over TCP; OPTION... are added to each command.
wrong_and_right() { # OPTION...
  ran troupe spawn cli.counter --name acc --durable '{"by": 9007199254740991}' "$@"
  check "spawn answers a pid" prints '^<[0-9]+\.[0-9]+>$'
  ran troupe call acc cli.add '{"by": "4", "memo": "caf\u00e9"}' "$@"
  check "integers beyond 2^53 are exact, as strings" prints '^cli.total \{"total":"9007199254740995","memo":"café"\}$'
  ran troupe send acc cli.add '{"by": -4}' "$@"
  check "send answers" ended_with 0
  ran troupe call acc cli.get '{}' -o json "$@"
  check "a message that was sent has arrived before the next request" json 'j["message"]["total"] == 9007199254740991'
  ran troupe call acc cli.add '{"by": "many"}' "$@"
  check "JSON that does not fit: the field" fails_as 65 4005 ''
  check "JSON that does not fit: the field is named" says 'by'
  ran troupe call acc cli.add '{"bye": 1}' "$@"
  check "JSON with a field that does not exist" fails_as 65 4005 ''
  check "the field that does not exist is named" says 'bye'
  ran troupe call acc cli.nonsense '{}' "$@"
  check "no such type" fails_as 65 4003 'cli.nonsense'
  ran troupe spawn cli.nonsense "$@"
  check "no such behavior" fails_as 65 4002 'cli.nonsense'
  ran troupe spawn cli.counter '{"by": -1}' "$@"
  check "an init that fails says why" fails_as 70 4008 ''
  check "the reason of an init that failed is there" says 'cannot begin at -1'
  ran troupe call acc cli.silence '{}' --timeout 300ms "$@"
  check "no answer before the deadline" fails_as 75 4007 ''
  ran troupe call '<1.999999>' cli.get '{}' "$@"
  check "a pid of nobody" fails_as 65 4004 ''
  ran troupe call acc cli.fail '{}' "$@"
  check "an actor that fails instead of answering" fails_as 70 4008 ''
  ran troupe name list "$@"
  check "reads go to the database" ended_with 0
}

waits_for_nodes() {
  local waiting
  ran troupe wait --nodes 2 --timeout 20s
  check "wait: two nodes are up" ended_with 0
  check "wait prints them" prints '^n2 +[0-9]+ +127'
  ran troupe wait n1 n2 --quiet
  check "wait: by their names" ended_with 0
  check "wait --quiet prints nothing" [ ! -s "$work/out" ]
  ran troupe wait -o json
  check "wait: one node is enough" json "[n['name'] for n in j] == ['n1', 'n2']"
  ran troupe wait --nodes 3 --timeout 300ms
  check "wait ends when time is up" fails_as 75 4007 '2 of 3 nodes are up'
  ran troupe wait n1 n8 --timeout 300ms
  check "wait says who is missing" fails_as 75 4007 'no node n8 is up'
  ran troupe wait --role web --timeout 300ms
  check "wait: nobody has the role" fails_as 75 4007 '0 of 1 nodes with the role web'
  ran troupe wait --nodes 0
  check "wait: no number of nodes" fails_as 64 1001 'nodes takes a number'
  ran troupe wait --db "host=$work/nobody" --timeout 300ms
  check "wait: no PostgreSQL in time" fails_as 69 2001 'cannot be reached'
  ran troupe dev kill n2
  await 10 state_of n2 down
  troupe wait n2 n1 --timeout 60s >"$work/waited" 2>&1 &
  waiting=$!
  started+=("$waiting")
  ran troupe wait n2 --timeout 200ms
  check "wait: a node that died is not up" fails_as 75 4007 'no node n2'
  check "who waits for it still does" kill -0 "$waiting"
  ran troupe dev start n2
  check "wait ends when it is up again" await 20 has_ended "$waiting"
  check "with its new start" grep -qE '^n2 +[0-9]+ ' "$work/waited"
  start_node w1 --roles web,db
  check "wait: a node with the role" troupe wait w1 --role web --timeout 30s --quiet
  kill -TERM "$pid"
  wait "$pid"
}

tail_sees_a_death() {
  troupe event tail >"$work/tail" 2>&1 &
  local tail=$!
  started+=("$tail")
  check "event tail listens" await 10 tail_listens
  ran troupe dev kill n2
  check "event tail sees the death" await 15 grep -q 'kind=node_down.*node=n2' "$work/tail"
  kill -INT "$tail"
  check "event tail ends when it is told to" await 15 has_ended "$tail"
}

# ---- remote ----

spawns_over_tcp() { # DB STATUS WORDS
  ran troupe spawn cli.counter --db "$1" --secret-file "$work/secret"
  [ "$status" -eq "$2" ] && grep -q "$3" "$work/out" "$work/err"
}

policy_holds() { # DB
  ran troupe policy set client may_spawn=false
  check "the policy is changed" ended_with 0
  check "clients are refused as soon as nodes hear of it" await 20 spawns_over_tcp "$1" 77 'troupe.policy lets no client start actors'
  ran troupe spawn cli.counter
  check "on the node's own socket nothing is refused" prints '^<'
  ran troupe policy unset client may_spawn
  check "and let in again" await 20 spawns_over_tcp "$1" 0 '^'
}

case_remote() {
  local db
  up --nodes 2
  check "a cluster is up" ended_with 0
  db=$(field "j['db']")
  cp .troupe/secret "$work/secret"
  printf '%064d\n' 7 >"$work/wrong"
  chmod 600 "$work/wrong"
  cd "$work" || return 1
  wrong_and_right --db "$db" --secret-file "$work/secret"
  ran troupe call acc cli.get '{}' --db "$db" --secret-file "$work/wrong"
  check "a wrong secret is refused" fails_as 77 3003 'secret'
  TROUPE_CLUSTER_SECRET_FILE=$work/secret ran troupe spawn cli.counter --db "$db"
  check "the secret may come from TROUPE_CLUSTER_SECRET_FILE" prints '^<'
  ran troupe node list --all -o json --db "$db"
  check "a client is no node" json 'len(j) == 2'
  cd "$here" || return 1
  policy_holds "$db"
  ran troupe dev kill n1 --signal 19
  ran troupe dev kill n2
  ran troupe call acc cli.get '{}' --db "$db" --secret-file "$work/secret" --timeout 1s
  check "nodes that do not answer" fails_as 69 3002 'no node answers'
  ran troupe dev kill n1 --signal 18
}

# ---- daemon ----

start_node() { # NAME OPTION...: trouped beside the cluster; its log is $work/NAME.log, its pid $pid
  local name=$1
  shift
  trouped --config /dev/null --name "$name" --db "$(field "j['db']")" --secret-file .troupe/secret --lease-ttl 2s \
    --allow-unsafe-fsync on --ready-file "$work/$name.ready" --pid-file "$work/$name.pid" "$@" \
    >"$work/$name.log" 2>&1 </dev/null &
  pid=$!
  started+=("$pid")
}

ready() { [ -s "$work/$1.ready" ]; }

ends_with() { # PID STATUS
  local got=0
  wait "$1" || got=$?
  [ "$got" = "$2" ] || { echo "    it ended with $got, not $2"; return 1; }
}

log_has() { grep -Eq -- "$2" "$work/$1.log"; }

log_says() { grep -Eq -- "$2" "$work/$1.log" || { echo "    not in the log: $2"; sed 's/^/    log: /' "$work/$1.log"; return 1; }; }

log_or_err() { grep -Eq -- "$2" "$work/$1.log"; }

case_daemon() {
  local pid port
  up --nodes 1
  check "a cluster is up" ended_with 0
  start_node d1 --admin-socket "$work/d1.sock" --secret-accepted-file "$work/accepted"
  check "trouped writes a ready file" await 20 ready d1
  cp "$work/d1.ready" "$work/out"
  check "the ready file says where it is" json "j['pid'] == $pid and j['admin_socket'] == '$work/d1.sock' and int(j['node_id']) > 1"
  port=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["port"])' "$work/d1.ready")
  check "the pid file has its pid" [ "$(cat "$work/d1.pid")" = "$pid" ]
  check "the admin socket is for user and group" [ "$(stat -c %a "$work/d1.sock")" = 660 ]
  admin_garbage
  start_node d2 --listen "127.0.0.1:$port"
  check "a port in use ends it with 69" ends_with "$pid" 69
  check "a port in use is said" log_says d2 '"code":"TRP-3007"'
  start_node n1
  check "a taken node name ends it with 75" ends_with "$pid" 75
  check "a taken node name is said" log_says n1 '"code":"TRP-3006"'
  printf 'no shared object\n' >"$work/broken.so"
  chmod 644 "$work/broken.so"
  start_node d3 --module "$work/broken.so"
  check "a module that does not load ends it with 78" ends_with "$pid" 78
  check "a module that does not load is named with the reason" log_says d3 '"code":"TRP-1005".*broken.so.*detail'
  mkdir -m 755 "$work/modules"
  cp "$module" "$work/modules/b_two.so"
  cp "$(dirname "$module")/probe.so" "$work/modules/a_one.so"
  start_node m1 --module-dir "$work/modules"
  check "a folder of modules is loaded whole" await 20 ready m1
  check "in the order of names" [ "$(grep -o 'loaded module [^"]*' "$work/m1.log" | xargs -n1 basename | grep so | tr '\n' ' ')" = "a_one.so b_two.so " ]
  kill -TERM "$pid"
  check "it stops" ends_with "$pid" 0
  ln -s b_two.so "$work/modules/c_link.so"
  start_node m2 --module-dir "$work/modules"
  check "a link in it ends it with 78" ends_with "$pid" 78
  check "and is named" log_or_err m2 'TRP-1005.*c_link.so'
  check "every line of the log is JSON" every_line_is_json d1 d2 n1 d3 m1
  stop_in_order
}

every_line_is_json() { # NAME...
  local name
  for name in "$@"; do
    python3 -c 'import json,sys
for line in open(sys.argv[1]): json.loads(line)' "$work/$name.log" || return 1
  done
}

admin_garbage() {
  ran python3 "$top/tests/cli/admin_garbage.py" "$work/d1.sock"
  check "garbage on the admin socket is answered, and harms nothing" prints '^fine$'
}

# d1 is called with a secret of its own: it does not know it, accepts it, and does not know it any more.
accepted_secret() {
  local db
  db=$(field "j['db']")
  (umask 077; printf '%064d\n' 8 >"$work/next")
  ran troupe tree --node d1 --db "$db" --secret-file "$work/next" --timeout 5s
  check "another secret is refused" fails_as 77 3003 'secret'
  (umask 077; printf short >"$work/accepted")
  kill -HUP "$pid"
  check "SIGHUP names a wrong accepted secret" await 10 log_has d1 "TRP-1004.*$work/accepted"
  mv "$work/next" "$work/accepted"
  kill -HUP "$pid"
  check "SIGHUP reads a second secret" await 10 log_has d1 "accepted beside it: $work/accepted"
  check "health says that two are accepted" await 10 secrets_are two
  check "which a client may prove" await 10 troupe tree --node d1 --db "$db" --secret-file "$work/accepted"
  check "as the first one" await 10 troupe tree --node d1 --db "$db" --secret-file .troupe/secret
  mv "$work/accepted" "$work/next"
  kill -HUP "$pid"
  check "SIGHUP forgets it when its file is gone" await 10 refused_now "$db"
  check "health says that one is" await 10 secrets_are one
}

secrets_are() { # COUNT
  troupe health --admin "$work/d1.sock" -o json >"$work/out" 2>"$work/err"
  json "any(c['check'] == 'secret' and c['ok'] and c['detail'].startswith('$1') and ' accepted, changed ' in c['detail'] for c in j['checks'])"
}

refused_now() { # DB
  ran troupe tree --node d1 --db "$1" --secret-file "$work/next" --timeout 5s
  fails_as 77 3003 'secret' >/dev/null
}

stop_in_order() {
  local pid
  pid=$(cat "$work/d1.pid")
  kill -HUP "$pid"
  check "SIGHUP reads the settings again" await 10 log_has d1 'settings read again'
  check "and the secret" await 10 log_has d1 'cluster secret read again from [^,]*secret"'
  accepted_secret
  kill -TERM "$pid"
  check "SIGTERM ends it with 0" ends_with "$pid" 0
  check "its row says left" state_of d1 left
  check "its ready file is gone" [ ! -e "$work/d1.ready" ]
  check "its admin socket is gone" [ ! -e "$work/d1.sock" ]
  start_node d4
  check "another one starts" await 20 ready d4
  pid=${started[-1]}
  kill -INT "$pid"
  check "SIGINT ends it too" ends_with "$pid" 0
  canary
  requests_end
  second_signal
  fenced
}

# A password and a cluster secret that must be seen nowhere.
canary() {
  local word=canary-$RANDOM-$RANDOM asker
  (umask 377; printf '%s password=%s\n' "$(field "j['db']")" "$word" >"$work/db")
  (umask 377; printf '%s-%064d\n' "$word" 7 >"$work/canary-secret")
  TROUPE_DB_FILE=$work/db trouped --config /dev/null --name c1 --secret-file "$work/canary-secret" --allow-unsafe-fsync on \
    --ready-file "$work/c1.ready" --admin-socket "$work/c1.sock" --log-level debug --module "$module" \
    >"$work/c1.log" 2>&1 </dev/null &
  pid=$!
  started+=("$pid")
  check "a node with a password starts" await 20 ready c1
  TROUPE_DB_FILE=$work/db troupe event tail --count 1000 >"$work/tail.out" 2>&1 &
  asker=$!
  started+=("$asker")
  kill -HUP "$pid"
  check "it reads its settings again" await 10 log_has c1 'settings read again'
  ps axww -o args= >"$work/ps.out"
  check "ps shows no secret" lacks "$work/ps.out" "$word"
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' >"$work/environ.out"
  check "nor does any environment" lacks "$work/environ.out" "$word"
  ran troupe dev psql -- -At -c "SELECT * FROM pg_stat_activity"
  check "PostgreSQL sees the node" prints 'troupe/'
  check "and no secret" lacks "$work/out" "$word"
  TROUPE_DB_FILE=$work/db ran trouped --config /dev/null --print-config
  check "nor is one printed" hides "$word"
  if [ -z "${TROUPE_CORE_DUMPS:-}" ]; then
    # The kernel gives what belongs to a process that cannot be dumped to root.
    check "no other process of the user can look into the node" not_dumpable
  fi
  kill "$asker"
  kill -TERM "$pid"
  check "the node stops" ends_with "$pid" 0
  check "its log has no secret" lacks "$work/c1.log" "$word"
  check "nor has PostgreSQL's" lacks "$(field "j['postgres']['log']")" "$word"
}

lacks() { [ -s "$1" ] && ! grep -qF -- "$2" "$1"; }

not_dumpable() { # as a user that is not root, by a node that tries to reach a database
  local owner
  [ "$(id -u)" = 0 ] || { [ "$(stat -c %u "/proc/$pid/environ")" = 0 ]; return; }
  # That user need not reach the folder of the build.
  install -D -m 755 -t "$work/nobody" "$build/bin/trouped" "$build/lib/libtroupe.so.0"
  chmod 755 "$work/nobody"
  setpriv --reuid=65534 --regid=65534 --clear-groups env LD_LIBRARY_PATH="$work/nobody" \
    "$work/nobody/trouped" --config /dev/null --name u1 --db "host=$work/nobody" 2>"$work/u1.log" </dev/null &
  started+=("$!")
  await 10 grep -q 'no connection' "$work/u1.log" || return 1
  owner=$(stat -c '%u %U' "/proc/$!/environ")
  kill "$!"
  [ "$owner" = "0 root" ] || { echo "    /proc/PID/environ belongs to $owner"; return 1; }
}

# A request that waits for an actor ends with it; so does one that waits for an actor elsewhere.
requests_end() {
  local here there
  start_node d6 --admin-socket "$work/d6.sock" --module "$module"
  check "a node with a module starts" await 20 ready d6
  ran troupe spawn cli.counter --name slow --admin "$work/d6.sock"
  check "an actor on it starts" ended_with 0
  ran troupe spawn cli.counter --name far --node n1
  check "one on another node starts" ended_with 0
  troupe call slow cli.silence '{}' --timeout 25s --admin "$work/d6.sock" >"$work/here.out" 2>&1 &
  here=$!
  troupe call far cli.silence '{}' --timeout 25s --admin "$work/d6.sock" >"$work/there.out" 2>&1 &
  there=$!
  started+=("$here" "$there")
  check "a request to the one is under way" await 10 request_runs slow "$work/d6.sock"
  check "a request to the other too" await 10 request_runs far "$work/d6.sock"
  kill -TERM "$pid"
  check "SIGTERM ends the node with 0" ends_with "$pid" 0
  wait "$here"
  check "the request to its actor is told that it exited" grep -q 'shutdown' "$work/here.out"
  wait "$there"
  check "the request to the other is told that the node stops" grep -q 'closed' "$work/there.out"
}

# A handler that does not return holds the stop up, for a while; a second signal does not wait for it.
hangs() {
  start_node "$1" --admin-socket "$work/$1.sock" --module "$module" --workers 2 --stop-timeout "$2"
  check "a node with a module starts" await 20 ready "$1"
  ran troupe spawn cli.counter --name hung --admin "$work/$1.sock"
  check "an actor on it starts" ended_with 0
  ran troupe send hung cli.hang '{}' --admin "$work/$1.sock"
  check "it hangs" await 10 health_says 1 --live "$1"
  check "which is told" prints 'not live: workers \(1 of 2'
}

health_says() { # STATUS PROBE NODE
  ran troupe health "$2" --admin "$work/$3.sock"
  [ "$status" -eq "$1" ]
}

second_signal() {
  hangs d7 30s
  kill -TERM "$pid"
  check "the first SIGTERM waits for it" await 10 log_has d7 'SIGTERM: stopping'
  check "the node still says how it is" await 10 health_says 1 --ready d7
  check "namely stopping" prints 'serving \(the node is stopping'
  check "the node still runs" kill -0 "$pid"
  kill -TERM "$pid"
  check "the second SIGTERM ends it at once" ends_with "$pid" 143
  hangs d8 1s
  kill -TERM "$pid"
  check "the first one alone ends it too, with 75" ends_with "$pid" 75
  check "its row says left" state_of d8 left
  check "the log says why" log_says d8 'does not stop'
}

# The request that gets no answer has arrived; others are answered all the same.
request_runs() { # NAME SOCKET
  ran troupe call "$1" cli.get '{}' --admin "$2"
  grep -q '"total":1,' "$work/out"
}

differs() { ! cmp -s "$1" "$2"; }

fenced() {
  start_node d6 --on-fenced exit
  check "a node that exits when fenced starts" await 20 ready d6
  kill -STOP "$pid"
  check "a node that sleeps past its lease is declared dead" await 20 state_of d6 down
  kill -CONT "$pid"
  check "it wakes, learns it, and ends with 75" ends_with "$pid" 75
  check "it says that it was fenced" log_says d6 'fenced'
  start_node d7
  check "a node that joins again starts" await 20 ready d7
  cp "$work/d7.ready" "$work/d7.first"
  kill -STOP "$pid"
  check "it sleeps past its lease too" await 20 state_of d7 down
  kill -CONT "$pid"
  check "it joins again under another id" await 20 state_of d7 up
  check "its ready file says so" await 10 differs "$work/d7.first" "$work/d7.ready"
}

# ---- flood ----

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# Adds 1 to the account on n2 by way of n1, so often; each answer has to be the number.
numbered() { # FROM TO
  local i
  for ((i = $1; i <= $2; i++)); do
    ran troupe call acc cli.add '{"by":1}'
    grep -q "\"total\":$i," "$work/out" || { echo "    call $i is answered otherwise"; return 1; }
  done
}

flooded() { grep -Eq '^idle=[0-9]+ loud=[0-9]+ slow=[0-9]+$' "$work/flood"; }

not_grown() { # PID BEFORE_KIB
  local now
  now=$(rss_kib "$1")
  [ "$((now - $2))" -lt 32768 ] || { echo "    it has grown from $2 KiB to $now"; return 1; }
}

case_flood() {
  local port before pid n1
  up --nodes 2
  check "a cluster is up" ended_with 0
  ran troupe spawn cli.counter --name acc --node n2
  check "an actor of n2 counts" ended_with 0
  check "n1 reaches it over the session" numbered 1 5
  ran troupe node list -o json
  port=$(python3 -c 'import json,sys
print([n["address"] for n in json.load(open(sys.argv[1])) if n["name"] == "n1"][0].rpartition(":")[2])' "$work/out")
  n1=$(node_pid n1)
  before=$(rss_kib "$n1")
  python3 "$top/tests/cli/flood.py" "$port" 12 >"$work/flood" 2>&1 </dev/null &
  started+=("$!")
  check "the session carries every number while strangers flood" numbered 6 40
  ran troupe call acc cli.get '{}' --db "$(field "j['db']")" --secret-file .troupe/secret
  check "a client of another address is heard" ended_with 0
  start_node f1
  check "a node of another address joins" await 20 ready f1
  check "the flood has been one" await 60 flooded
  check "it was 1,000 connections at least" python3 -c 'import re,sys
sys.exit(0 if sum(map(int, re.findall(r"=(\d+)", open(sys.argv[1]).read()))) >= 1000 else 1)' "$work/flood"
  check "no number was lost or doubled" numbered 41 45
  check "memory has not grown by more than 32 MiB" not_grown "$n1" "$before"
  check "the session has never broken" lacks_line 'lost node n2|silent' .troupe/log/n1.log
  kill "$pid"
}

lacks_line() { ! grep -Eq -- "$1" "$2" || { echo "    in $2:"; grep -E -- "$1" "$2" | head -3; return 1; }; }

if [ $# -eq 0 ]; then set -- dev actions look remote daemon flood; fi
for name in "$@"; do
  "case_$name"
  troupe dev down --purge >/dev/null 2>&1
done
finish
