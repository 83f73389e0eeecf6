#!/bin/bash
# tests/cluster/faults.sh BUILD_DIR [CASE...] - real nodes, real PostgreSQL, real kills.
#
#   signals   links, monitors and exits between two nodes, one by one
#   kill      kill -9: noconnection exactly once each, counters recovered
#   revive    a durable actor that failed goes on when its name is spawned again
#   supervision  children on other nodes: failures, kill -9, drain, SIGTERM, orphans
#   placed    durable children on other nodes: failures, kill -9, recovery that their supervisor takes over
#   tree      a supervisor on another node than its parent, with its children: failures, kill -9 of both nodes
#   leave     SIGTERM: shutdown for all that is linked, the row says left, durable actors go on elsewhere
#   pause     SIGSTOP past the lease, then SIGCONT: fenced, joined again, nothing committed by the old one
#   restart   kill -9 and start at once under the same name, again and again, under load
#   postgres  PostgreSQL restarted, crashed and stopped for longer than the lease, under load: nobody dies
#   crash     nodes and PostgreSQL killed at once, and started again: same names, same states
#   health    troupe health: live and ready, with the node stopped and with PostgreSQL away
#   flow      a node that is stopped: who sends to it waits, others do not, nothing is lost
#   secret    a node with another secret: refused, logged once, counted; the others unharmed
set -uo pipefail
build=$(realpath "${1:?usage: tests/cluster/faults.sh BUILD_DIR [CASE...]}")
shift
# shellcheck source=tests/cli/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
module=$build/modules/probe.so
cd "$work" || exit 70

clean() {
  troupe dev down --purge >/dev/null 2>&1
  if [ "$failed" -gt 0 ] && [ -n "${KEEP:-}" ]; then
    echo "kept $work"
  else
    cd / && rm -rf "$work"
  fi
}
trap clean EXIT

up() {
  ran troupe dev up --module "$module" --lease-ttl "${2:-2s}" --nodes "${1:-3}"
  check "a cluster of ${1:-3} is up" ended_with 0
}

quietly() { "$@" >/dev/null; }

down() {
  ran troupe dev down --purge
  check "it goes down" ended_with 0
}

field() { # EXPRESSION over dev.json, called j
  python3 -c 'import json,sys; j = json.load(open(".troupe/dev.json")); print(eval(sys.argv[1]))' "$1"
}

node_pid() { field "[n['pid'] for n in j['nodes'] if n['name'] == '$1'][0]"; }

sql() { ran troupe dev psql -- -At -c "$1"; }

sql_is() { # QUERY RESULT
  sql "$1"
  [ "$(cat "$work/out")" = "$2" ] || { echo "    $1: $(cat "$work/out"), not $2"; return 1; }
}

spawn() { # NODE NAME BEHAVIOR [ARGS] [FLAGS...]
  local node=$1 name=$2 behavior=$3 args=${4:-"{}"}
  shift 3
  [ $# -gt 0 ] && shift
  ran troupe spawn "$behavior" --name "$name" --node "$node" "$@" "$args"
  check "$name starts on $node" ended_with 0
}

watch() { # WATCHER NAME [ORDER]
  ran troupe send "$1" probe.watch "{\"name\":\"$2\",${3:-\"link\":true,\"monitor\":true}}"
  check "$1 watches $2" ended_with 0
  seen "$1" >/dev/null # an answer comes after the order was handled
}

seen() { troupe call "$1" probe.look '{}' 2>/dev/null; }

counts() { # WATCHER LINE
  seen "$1" | grep -o "\"$2" | wc -l
}

has_seen() { # WATCHER LINE TIMES
  local times
  times=$(counts "$1" "$2")
  [ "$times" = "$3" ] || { echo "    $1 has seen \"$2\" $times times, not $3: $(seen "$1")"; return 1; }
}

total_of() { troupe call "$1" probe.get '{}' 2>/dev/null | grep -o '[0-9]*' | tail -n 1; }

total_is() { [ "$(total_of "$1")" = "$2" ]; }

answers() { troupe call "$1" "${2:-probe.work}" '{}' >/dev/null 2>&1; }

# ---- signals between two nodes ----

case_signals() {
  up 2
  spawn n1 w probe.watcher
  spawn n2 a probe.target
  watch w a
  ran troupe call a probe.work '{}'
  check "an actor on the other node answers" prints "done"
  check "its end is asked for" quietly troupe send a probe.die '{"text":"on purpose"}'
  check "its link fires with the true reason" await 5 has_seen w 'EXIT error on purpose' 1
  check "its monitor fires with the true reason" await 5 has_seen w 'DOWN error on purpose' 1
  spawn n2 b probe.target
  watch w b
  check "it ends normally" quietly troupe send b probe.die '{"text":""}'
  check "a trapping actor hears of a normal end" await 5 has_seen w 'EXIT normal' 1
  check "a monitor hears of it too" await 5 has_seen w 'DOWN normal' 1
  spawn n2 c probe.target
  watch w c
  watch w c '"end":true'
  check "it fails after the unlink" quietly troupe send c probe.die '{"text":"unseen"}'
  spawn n2 d probe.target
  watch w d
  check "it is killed" quietly troupe exit d kill
  check "others see killed" await 5 has_seen w 'DOWN killed' 1
  check "also by the link" await 5 has_seen w 'EXIT killed' 1
  check "after unlink and demonitor nothing came" has_seen w 'EXIT error unseen' 0
  check "of the monitor neither" has_seen w 'DOWN error unseen' 0
  watch w '<2.999999>'
  check "a link to a dead pid there says noproc" await 5 has_seen w 'EXIT noproc' 1
  check "a monitor of it too" await 5 has_seen w 'DOWN noproc' 1
  watch w '<77.1>'
  check "a link to a node that is not there says noconnection" await 5 has_seen w 'EXIT noconnection' 1
  check "a monitor of it too" await 5 has_seen w 'DOWN noconnection' 1
  spawn n2 e probe.target
  check "exit normal reaches it" quietly troupe exit e normal
  check "and is ignored" answers e
  check "links and monitors across nodes are rows" await 5 sql_is "SELECT count(*) FROM troupe.links" 0
  watch w e
  check "they appear in the table" await 5 sql_is "SELECT string_agg(kind, ',' ORDER BY kind) FROM troupe.links WHERE node = 'n1' AND other_node = 'n2'" 'link,monitor'
  down
}

# ---- death ----

case_kill() {
  local i
  up 3
  spawn n1 w probe.watcher
  spawn n3 v probe.watcher
  for i in 1 2 3; do
    spawn n2 "t$i" probe.target
    watch w "t$i"
    watch v "t$i" '"monitor":true'
  done
  spawn n2 c probe.counter '{}' --durable
  ran troupe call c probe.add '{"by":41}'
  check "a durable counter counts" prints '"total":41'
  ran troupe dev kill n2
  check "n2 is killed" ended_with 0
  check "each link on n1 fires once" await 5 has_seen w 'EXIT noconnection' 3
  check "each monitor on n1 fires once" await 5 has_seen w 'DOWN noconnection' 3
  check "each monitor on n3 fires once" await 5 has_seen v 'DOWN noconnection' 3
  check "one nodedown" await 5 has_seen w 'nodedown n2 2' 1
  check "the counter goes on elsewhere with what was committed" await 10 total_is c 41
  check "names of the dead are free" await 5 sql_is "SELECT count(*) FROM troupe.names WHERE name IN ('t1','t2','t3') AND status = 'running'" 0
  spawn n1 t1 probe.target
  ran troupe dev start n2
  check "n2 starts again" ended_with 0
  check "it is a new node to the others" await 5 has_seen w 'nodeup n2 4' 1
  check "nothing came twice" has_seen w 'EXIT noconnection' 3
  down
}

case_revive() {
  local start
  up 2
  spawn n2 c probe.counter '{}' --durable
  ran troupe call c probe.add '{"by":3}'
  check "a durable counter counts" prints '"total":3'
  check "its handler fails" quietly troupe send c probe.die '{"text":"on purpose"}'
  start=${EPOCHREALTIME/./}
  ran troupe call c probe.get '{}' --timeout 20s
  check "a call to the failed one fails" [ "$status" -ne 0 ]
  check "and does not wait for its timeout" [ $((${EPOCHREALTIME/./} - start)) -lt 5000000 ]
  check "its row stays" sql_is "SELECT state->>'total' FROM troupe.actors WHERE name = 'c'" 3
  ran troupe spawn probe.counter --name c --durable --node n2 '{}'
  check "it goes on from its last commit when it is spawned again" await 10 total_is c 3
  ran troupe call c probe.add '{"by":1}'
  check "and counts" prints '"total":4'
  down
}

case_leave() {
  local pid
  up 2
  spawn n1 w probe.watcher
  spawn n2 t probe.target
  watch w t
  spawn n2 c probe.counter '{}' --durable
  ran troupe call c probe.add '{"by":7}'
  check "a durable counter counts" prints '"total":7'
  pid=$(node_pid n2)
  kill -TERM "$pid"
  check "links see shutdown" await 10 has_seen w 'EXIT shutdown' 1
  check "monitors see shutdown" await 10 has_seen w 'DOWN shutdown' 1
  check "its row says left" await 10 sql_is "SELECT state, down_reason FROM troupe.nodes WHERE name = 'n2'" 'left|left'
  check "the process has ended" await 10 [ ! -e "/proc/$pid/exe" ]
  check "the counter goes on elsewhere" await 10 total_is c 7
  check "nobody saw noconnection" has_seen w 'DOWN noconnection' 0
  down
}

# ---- supervisors whose children are on other nodes ----

boss() { # NODE NAME PLACEMENT PREFIX [INTENSITY]
  spawn "$1" "$2" probe.boss "{\"placement\":\"$3\",\"prefix\":\"$4\",\"count\":6,\"intensity\":${5:-0}}"
}

all_answer() { # PREFIX
  local i
  for i in 0 1 2 3 4 5; do answers "$1$i" || return 1; done
}

# How many actors with such names each node holds, "n1:2,n2:4".
held_by() { # PREFIX RESULT
  sql_is "SELECT string_agg(node || ':' || n, ',' ORDER BY node) FROM (SELECT node, count(*) AS n FROM troupe.names
          WHERE name LIKE '$1%' AND status = 'running' GROUP BY node) g" "$2"
}

nobody_holds() { sql_is "SELECT count(*) FROM troupe.names WHERE name LIKE '$1%' AND status = 'running'" 0; }

tree_shows() { # NODE PATTERN COUNT
  ran troupe tree --node "$1"
  [ "$(grep -Ec "$2" "$work/out")" = "$3" ] || { echo "    not $3 times: $2"; cat "$work/out"; return 1; }
}

case_supervision() {
  local pid socket
  # S11 stops a node for as long as a command takes: nobody is to give it up meanwhile.
  export TROUPE_SILENCE=60s TROUPE_RESUME_WINDOW=60s
  up 3 30s
  unset TROUPE_SILENCE TROUPE_RESUME_WINDOW
  socket=$(field "[n['admin_socket'] for n in j['nodes'] if n['name'] == 'n2'][0]")
  boss n1 b round_robin s/ 100
  check "its children start" await 20 all_answer s/
  check "two on each node" held_by s/ 'n1:2,n2:2,n3:2'
  check "the tree follows them to their nodes" tree_shows n1 '^ +<[0-9.]+> +s/[0-5] +probe.target +s/[0-5] +0 +0 +n[123]' 6
  # Which is on n2?
  sql "SELECT min(name) FROM troupe.names WHERE name LIKE 's/%' AND node = 'n2'"
  pid=$(cat "$work/out")
  check "S2: one on n2 fails" quietly troupe send "$pid" probe.die '{"text":"on purpose"}'
  check "it starts there again" await 20 tree_shows n1 "$pid +probe.target +$pid +1 +0 +n2" 1
  check "as many as before" held_by s/ 'n1:2,n2:2,n3:2'
  # S11: it fails while the node of its supervisor hears nothing.
  kill -STOP "$(node_pid n1)"
  check "S11: it fails unheard" quietly troupe send --admin "$socket" "$pid" probe.die '{"text":"unheard"}'
  kill -CONT "$(node_pid n1)"
  check "it starts again when that is heard" await 20 tree_shows n1 "$pid +probe.target +$pid +2 +0 +n2" 1
  kill -9 "$(node_pid n3)"
  check "S6: children of a killed node start on survivors" await 20 held_by s/ 'n1:3,n2:3'
  check "all answer" await 20 all_answer s/
  ran troupe node drain n2
  check "n2 drains" prints '^n2 drains'
  check "its row says so" await 10 sql_is "SELECT state FROM troupe.nodes WHERE name = 'n2'" draining
  check "what runs there goes on" all_answer s/
  ran troupe spawn probe.target --node n2
  check "nothing new starts there" says 'drains and starts nothing for others'
  check "one that fails there" quietly troupe send "$pid" probe.die '{"text":"on purpose"}'
  check "starts elsewhere" await 20 held_by s/ 'n1:4,n2:2'
  ran troupe node undrain n2
  check "n2 is up again" await 10 sql_is "SELECT state FROM troupe.nodes WHERE name = 'n2'" up
  ran troupe spawn probe.target --node n2
  check "it takes actors again" ended_with 0
  boss n2 c n1 t/
  check "a second supervisor, on n2, has children on n1" await 20 all_answer t/
  kill -TERM "$(node_pid n2)"
  check "leaving: a supervisor takes its children along" await 20 nobody_holds t/
  check "children that were there start elsewhere" await 20 held_by s/ 'n1:6'
  check "its row says left" await 20 sql_is "SELECT state FROM troupe.nodes WHERE name = 'n2' ORDER BY node_id DESC LIMIT 1" left
  ran troupe dev start n2
  check "n2 starts again" ended_with 0
  boss n2 d "n1" u/
  check "S7: its children are on n1" await 20 all_answer u/
  kill -9 "$(node_pid n2)"
  check "they stop when its node is killed" await 20 nobody_holds u/
  check "the others did not" all_answer s/
  down
}

# How many names with such a prefix run, with what their states add up to.
sums() { # PREFIX COUNT|TOTAL
  sql_is "SELECT count(*) FILTER (WHERE n.status = 'running') || '|' || coalesce(sum((a.state->>'total')::int), 0)
          FROM troupe.names n JOIN troupe.actors a USING (name) WHERE n.name LIKE '$1%'" "$2"
}

case_placed() {
  local i
  up 3
  spawn n1 b probe.boss '{"placement":"round_robin","prefix":"d/","count":6,"intensity":3,"durable":true}'
  for i in 0 1 2 3 4 5; do
    check "d/$i answers" await 20 answers "d/$i" probe.get
    ran troupe call "d/$i" probe.add "{\"by\":$((i + 1))}"
    check "d/$i counts" ended_with 0
  done
  check "two on each node" held_by d/ 'n1:2,n2:2,n3:2'
  sql "SELECT min(name) FROM troupe.names WHERE name LIKE 'd/%' AND node = 'n3'"
  i=$(cat "$work/out")
  check "one on n3 fails" quietly troupe send "$i" probe.die '{"text":"on purpose"}'
  check "it goes on there from its last commit" await 20 tree_shows n1 "$i +probe.counter +$i +1 +0 +n3" 1
  check "with what it had counted" await 20 sums d/ '6|21'
  kill -9 "$(node_pid n3)"
  check "recovery starts them on survivors" await 30 sums d/ '6|21'
  check "their supervisor has them" await 30 tree_shows n1 '^    +<[0-9.]+> +d/[0-5] +probe.counter +d/[0-5] +[0-2] +0 +n[12]' 6
  check "that was one failure for each" tree_shows n1 "$i +probe.counter +$i +2 +0 +n[12]" 1
  check "one that was taken over fails" quietly troupe send "$i" probe.die '{"text":"on purpose"}'
  check "its supervisor starts it again" await 20 tree_shows n1 "$i +probe.counter +$i +3 +0 +n[12]" 1
  for i in 0 1 2 3 4 5; do
    ran troupe call "d/$i" probe.add '{"by":1}'
    check "d/$i counts on" ended_with 0
  done
  check "nothing is lost and nothing doubled" await 20 sums d/ '6|27'
  check "its parent is stopped" quietly troupe exit b shutdown
  check "they stop with it, wherever they are" await 20 nobody_holds d/
  check "their rows stay" sums d/ '0|27'
  spawn n2 b2 probe.boss '{"placement":"n1","prefix":"d/","count":6,"intensity":3,"durable":true}'
  check "the next supervisor goes on with them" await 20 sums d/ '6|27'
  kill -9 "$(node_pid n2)"
  check "when its node is killed, those elsewhere stop, and those that were there are recovered" \
    await 30 sql_is "SELECT count(*) FROM troupe.names WHERE name LIKE 'd/%' AND node = 'n2'" 0
  check "and nothing is lost" await 30 sql_is "SELECT sum((state->>'total')::int) FROM troupe.actors WHERE name LIKE 'd/%'" 27
  down
}

# The node that holds all six, in $where.
one_node_holds() { # PREFIX
  sql "SELECT min(node) FROM troupe.names WHERE name LIKE '$1%' AND status = 'running' HAVING count(*) = 6 AND min(node) = max(node)"
  where=$(cat "$work/out")
  [ -n "$where" ] || { echo "    not all of $1 are on one node"; return 1; }
}

deep_boss() { # NODE NAME BELOW PREFIX
  spawn "$1" "$2" probe.boss "{\"below\":\"$3\",\"prefix\":\"$4\",\"count\":6,\"intensity\":10}"
}

case_tree() {
  local where first
  up 3
  deep_boss n1 b least_loaded w/
  check "its tree starts" await 20 all_answer w/
  check "all of it on one node" await 20 one_node_holds w/
  first=$where
  check "on another one than its parent" [ "$first" != n1 ]
  check "the tree shows what is below" await 20 tree_shows n1 "^      <[0-9.]+> +w/[0-5] +probe.target +w/[0-5] +0 +0 +$first" 6
  check "one of it fails" quietly troupe send w/3 probe.die '{"text":"on purpose"}'
  check "its supervisor starts it there" await 20 tree_shows n1 "w/3 +probe.target +w/3 +1 +0 +$first" 1
  check "its parent has nothing to do" tree_shows n1 "troupe.supervisor +middle +0 +0 +$first" 1
  kill -9 "$(node_pid "$first")"
  check "when its node is killed it starts elsewhere" await 30 all_answer w/
  check "all of it" await 20 one_node_holds w/
  check "on a survivor" [ "$where" != "$first" ]
  check "that was one restart" await 20 tree_shows n1 "troupe.supervisor +middle +1 +0 +$where" 1
  check "its parent is stopped" quietly troupe exit b shutdown
  check "nothing is left of it" await 20 nobody_holds w/
  [ "$first" = n2 ] && where=n3 || where=n2
  deep_boss "$where" c n1 v/
  check "one whose parent is elsewhere starts" await 20 all_answer v/
  kill -9 "$(node_pid "$where")"
  check "it stops when its parent's node is killed" await 30 nobody_holds v/
  down
}

# ---- load, and what must hold afterwards ----

spawn_counters() { # COUNT
  local i
  for ((i = 0; i < $1; i++)); do
    ran troupe spawn probe.counter --name "k/$i" --durable --node "n$((i % ${2:-3} + 1))" '{}'
    [ "$status" -eq 0 ] || check "k/$i starts" false
  done
}

tally() { # FIELD, of what is in $work/out
  grep -o "\"$1\":[0-9]*" "$work/out" | grep -o '[0-9]*$'
}

acknowledged() { # AT LEAST
  ran troupe call load probe.tally_get '{}'
  [ "$(tally acknowledged)" -ge "$1" ]
}

goes_on() { # more is acknowledged than now
  ran troupe call load probe.tally_get '{}'
  local now
  now=$(tally acknowledged)
  await "${1:-15}" acknowledged $((now + 50))
}

quiet() {
  ran troupe call load probe.tally_get '{}'
  [ "$(tally under_way)" = 0 ]
}

# Every acknowledged addition is in, once; those with an unknown outcome may be.
balance() {
  local acknowledged unknown total
  ran troupe call load probe.halt '{}'
  check "the load halts" ended_with 0
  check "every request has an answer" await 10 quiet
  acknowledged=$(tally acknowledged) unknown=$(tally unknown)
  sql "SELECT sum((state->>'total')::bigint) FROM troupe.actors WHERE behavior = 'probe.counter'"
  total=$(cat "$work/out")
  echo "    acknowledged $acknowledged, unknown $unknown, counted $total"
  check "nothing acknowledged is lost" [ "$total" -ge "$acknowledged" ]
  check "nothing is in twice" [ "$total" -le $((acknowledged + unknown)) ]
}

case_pause() {
  local pid old
  up 3
  spawn n1 w probe.watcher
  spawn_counters 6
  spawn n2 t probe.target
  watch w t
  spawn n1 load probe.load '{"prefix":"k","count":6}'
  check "the load runs" await 10 acknowledged 100
  pid=$(node_pid n2)
  kill -STOP "$pid"
  check "the links of a stopped node fire" await 10 has_seen w 'EXIT noconnection' 1
  check "it is declared dead when its lease has run out" await 10 sql_is "SELECT down_reason FROM troupe.nodes WHERE node_id = 2" expired
  check "its counters run elsewhere" await 10 sql_is "SELECT count(*) FROM troupe.actors WHERE behavior = 'probe.counter' AND node <> 'n2' AND status = 'running'" 6
  sql "SELECT sum(epoch) FROM troupe.names WHERE name LIKE 'k/%'"
  old=$(cat "$work/out")
  check "the load goes on" goes_on
  kill -CONT "$pid"
  check "the woken node joins as a new one" await 10 sql_is "SELECT state FROM troupe.nodes WHERE name = 'n2' AND node_id > 3" up
  check "it was fenced" grep -q 'fenced' .troupe/log/n2.log
  check "it committed nothing under the old names" sql_is "SELECT sum(epoch) FROM troupe.names WHERE name LIKE 'k/%'" "$old"
  check "the old node stays dead" sql_is "SELECT state FROM troupe.nodes WHERE node_id = 2" down
  check "the load goes on with it" goes_on
  check "one nodedown, one nodeup" has_seen w 'nodedown n2 2' 1
  ran troupe spawn probe.target --name again --node n2 '{}'
  check "it serves again" ended_with 0
  balance
  down
}

case_restart() {
  local round id last=0
  up 3
  spawn n1 w probe.watcher
  spawn_counters 9
  spawn n1 load probe.load '{"prefix":"k","count":9}'
  check "the load runs" await 10 acknowledged 100
  for round in 1 2 3 4 5; do
    ran troupe dev kill n2
    ran troupe dev start n2
    check "n2 starts at once after kill -9, round $round" ended_with 0
    sql "SELECT node_id FROM troupe.nodes WHERE name = 'n2' AND state = 'up'"
    id=$(cat "$work/out")
    check "its node id is new" [ "${id:-0}" -gt "$last" ]
    last=$id
    check "it is seen" await 10 has_seen w "nodeup n2 $id" 1
    check "the load goes on" goes_on
  done
  check "each start was seen to end" await 10 has_seen w 'nodedown n2' 5
  # nodedown and nodeup take turns: the old one is down first.
  check "down comes before up, each time" [ -z "$(seen w | grep -o 'node[a-z]* n2' | uniq -d)" ]
  check "one row is up for each name" sql_is "SELECT count(*), count(DISTINCT name) FROM troupe.nodes WHERE state = 'up'" '3|3'
  balance
  down
}

postgres() { # pg_ctl's words
  local bin data user
  bin=$(field "j['postgres']['bin']") data=$(field "j['postgres']['data']")
  user=$(stat -c %U "$data")
  if [ "$(id -un)" = "$user" ]; then
    ran "$bin/pg_ctl" -D "$data" -w "$@"
  else
    ran setpriv --reuid="$user" --regid="$(stat -c %G "$data")" --clear-groups "$bin/pg_ctl" -D "$data" -w "$@"
  fi
}

stop_postgres() { # HOW
  cp "$(field "j['postgres']['data']")/postmaster.opts" "$work/opts" || return 1
  postgres stop -m "${1:-fast}"
  check "PostgreSQL stops (${1:-fast})" ended_with 0
}

start_postgres() {
  # Started as dev started it: its options are in the file that the server wrote.
  local options=()
  eval "options=($(sed 's/^[^ ]* //' "$work/opts"))"
  postgres start -l "$(field "j['postgres']['log']")" -o "${options[*]}"
  check "PostgreSQL starts" ended_with 0
}

restart_postgres() { # HOW SECONDS
  stop_postgres "$1"
  if [ "$2" != 0 ]; then
    local until=$((${EPOCHREALTIME/./} + $2 * 1000000))
    check "actors, messages and links go on without it" answers t
    while [ "${EPOCHREALTIME/./}" -lt "$until" ]; do sleep 0.1; done # the outage itself
    check "they still do past the lease" answers t
  fi
  start_postgres
}

case_postgres() {
  up 3
  spawn n1 w probe.watcher
  spawn n2 t probe.target
  watch w t
  spawn_counters 6
  spawn n1 load probe.load '{"prefix":"k","count":6}'
  check "the load runs" await 10 acknowledged 100
  restart_postgres fast 0
  check "the load goes on after a restart" goes_on 20
  restart_postgres immediate 0
  check "the load goes on after a crash" goes_on 20
  restart_postgres fast 5
  check "the load goes on after an outage longer than the lease" goes_on 20
  check "nobody was declared dead" sql_is "SELECT count(*) FROM troupe.events WHERE kind = 'node_down'" 0
  check "nobody has seen a node go" has_seen w 'nodedown' 0
  check "no link has fired" has_seen w 'EXIT' 0
  ran troupe dev kill n3
  check "n3 is killed" ended_with 0
  check "a real death is still seen" await 15 sql_is "SELECT count(*) FROM troupe.events WHERE kind = 'node_down'" 1
  check "the load goes on" goes_on 20
  balance
  down
}

# Everything is killed at once: the nodes, the server and its lease table.
case_crash() {
  up 2
  spawn n2 c probe.counter '{}' --durable
  ran troupe call c probe.add '{"by":5}'
  check "a durable counter counts" prints '"total":5'
  quietly troupe dev kill n1
  quietly troupe dev kill n2
  restart_postgres immediate 0
  ran troupe dev start n1
  check "n1 starts again under its name" ended_with 0
  ran troupe dev start n2
  check "n2 starts again under its name" ended_with 0
  check "the counter is back with what was committed" await 15 total_is c 5
  check "both are up, once" sql_is "SELECT string_agg(name, ',' ORDER BY name) FROM troupe.nodes WHERE state = 'up'" 'n1,n2'
  down
}

# Health checks: live is never a matter of PostgreSQL, ready is.
health_is() { # STATUS ARGS...
  local wanted=$1
  shift
  ran troupe health "$@"
  [ "$status" -eq "$wanted" ] || { echo "    $(cat "$work/out"): exit status $status, not $wanted"; return 1; }
}

case_health() {
  local pid socket
  up 2
  socket=$(field "j['nodes'][0]['admin_socket']")
  pid=$(node_pid n1)
  export TROUPE_ADMIN_SOCKET=$socket
  check "a node is live" health_is 0 --live
  check "and says so in one word" prints '^live$'
  check "it is ready" health_is 0 --ready
  check "quietly too" health_is 0 --ready --quiet
  check "printing nothing" [ ! -s "$work/out" ]
  check "JSON lists every check" health_is 0 -o json
  check "with its outcome" json "[c['check'] for c in j['checks'] if c['ok']] == ['loop', 'workers', 'member', 'lease', 'listen', 'schema', 'secret', 'serving']"
  printf 'admin_socket = %s\n' "$socket" >"$work/t.conf"
  check "the socket is found in the file of trouped" found_in_file
  kill -STOP "$pid"
  check "a stopped process is not live" health_is 1 --live
  check "nor ready" health_is 1 --ready
  kill -CONT "$pid"
  check "it is live again at once" await 5 health_is 0 --live
  check "and ready when it is a member" await 15 health_is 0 --ready
  stop_postgres
  check "without PostgreSQL it is not ready" await 10 health_is 1 --ready
  check "which names the connection" says_in_out 'listen \('
  check "yet live" health_is 0 --live
  check "past its lease it is still live" await 10 lease_is_over
  check "which is no reason to be dead" health_is 0 --live
  start_postgres
  check "with PostgreSQL it is ready again" await 15 health_is 0 --ready
  check "the command line of a health check may be wrong: 1" health_is 1 --nonsense
  unset TROUPE_ADMIN_SOCKET
  check "nobody at the socket: 1" health_is 1 --admin "$work/nobody.sock"
  check "in words on stdout" prints 'not ready: admin \('
  down
}

found_in_file() { (unset TROUPE_ADMIN_SOCKET && cd / && TROUPE_CONFIG=$work/t.conf health_is 0 --live); }
says_in_out() { grep -Eq "$1" "$work/out"; }
lease_is_over() { health_is 1 --ready && says_in_out 'lease \('; }

case_secret() {
  local db pid
  up 2
  spawn n1 w probe.watcher
  od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$work/other-secret"
  chmod 600 "$work/other-secret"
  db=$(field "j['db']")
  trouped --name x --db "$db" --secret-file "$work/other-secret" --listen 127.0.0.1:0 \
    --admin-socket "$work/x.sock" 2>"$work/x.log" &
  pid=$!
  check "a node with another secret finds the database" await 10 sql_is "SELECT state FROM troupe.nodes WHERE name = 'x'" up
  check "the others refuse it and log it" await 10 grep -Eqi 'refus|secret|prove' .troupe/log/n1.log
  check "by its cause" grep -q 'its cluster secret is not ours' .troupe/log/n1.log
  check "so does it" await 10 grep -q 'its cluster secret is not ours' "$work/x.log"
  check "once" [ "$(grep -Eci 'could not prove|wrong secret|refused' .troupe/log/n1.log)" -le 2 ]
  check "nobody is connected to it" has_seen w 'nodeup x' 0
  spawn n2 t probe.target
  check "the others are unharmed" answers t
  kill -TERM "$pid"
  wait "$pid" 2>/dev/null
  check "it leaves" await 10 sql_is "SELECT state FROM troupe.nodes WHERE name = 'x'" left
  down
}

# A node that does not read: its senders wait, nobody else does, and nothing is lost.
sunk_is() {
  ran troupe call sink probe.sunk_get '{}'
  [ "$(tally got) $(tally wrong)" = "$1 0" ] || { echo "    $(cat "$work/out")"; return 1; }
}

waits_for() { # ACTOR WHAT
  ran troupe actor show "$1" -o json
  grep -Eq "\"blocked_on\":[[:space:]]*\"?$2\"?" "$work/out" || { echo "    $(grep blocked "$work/out")"; return 1; }
}

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

case_flow() {
  local n1 n2 before after
  export TROUPE_SEND_QUEUE_HIGH=1MiB TROUPE_SEND_QUEUE_LOW=256KiB TROUPE_SILENCE=60s TROUPE_RESUME_WINDOW=60s
  ran troupe dev up --module "$module" --lease-ttl 60s --nodes 3
  unset TROUPE_SEND_QUEUE_HIGH TROUPE_SEND_QUEUE_LOW TROUPE_SILENCE TROUPE_RESUME_WINDOW
  check "a cluster of 3 is up" ended_with 0
  n1=$(node_pid n1) n2=$(node_pid n2)
  spawn n1 w probe.watcher
  spawn n3 t probe.target
  spawn n1 source probe.source '{"node":"n2"}'
  check "the sink is there" await 10 sunk_is 0
  kill -STOP "$n2"
  before=$(rss_kib "$n1")
  check "a flood of 200 MB begins" quietly troupe send source probe.flood '{"count":5000,"size":40000}'
  check "its source waits for the node" await 20 waits_for source 'node 2'
  after=$(rss_kib "$n1")
  check "its node keeps no more than the marks allow" [ $((after - before)) -lt 80000 ]
  check "others are answered" answers t
  watch w t
  check "a signal to a third node gets through" quietly troupe send t probe.die '{"text":"on purpose"}'
  check "and back" await 10 has_seen w 'DOWN error on purpose' 1
  kill -CONT "$n2"
  check "all of it arrives, once and in order" await 30 sunk_is 5000
  check "its source waits no more" await 10 waits_for source null
  check "nobody was given up" has_seen w 'nodedown' 0
  kill -STOP "$n2"
  check "another flood begins" quietly troupe send source probe.flood '{"count":5000,"size":40000}'
  check "its source waits again" await 20 waits_for source 'node 2'
  check "it is killed" quietly troupe exit source kill
  check "and is gone" await 10 sql_is "SELECT count(*) FROM troupe.names WHERE name = 'source'" 0
  kill -CONT "$n2"
  check "the node goes on" await 10 quietly troupe call sink probe.sunk_get '{}'
  down
}

cases=("$@")
[ ${#cases[@]} -gt 0 ] || cases=(signals kill revive leave supervision placed tree pause restart postgres crash health secret flow)
for each in "${cases[@]}"; do "case_$each"; done
finish
