#!/bin/bash
# examples/bank/demo.sh - three nodes, one private PostgreSQL, kill -9, nothing lost. What `make demo` runs.
#
#   --build DIR       where Troupe was built (build/release)
#   --dir DIR         where to keep logs and state while it runs; made here, removed at the end (build/demo)
#   --ledger FILE     what to play (examples/bank/ledger.txt)
#   --per-second N    transfers begun per second, 0 for as many as it can (1500)
#   --kill-at N       kill the node when so many percent of the transfers are acknowledged (40)
#   --sabotage HOW    falsify the outcome before it is proven, to see that the proof notices:
#                     extra   one more transfer, which no teller was told of
#                     mint    one cent more, from nowhere
#                     report  one transfer less in what the teller says was acknowledged
#
# Prints one line per step with the seconds since the start. Exits with 0 when everything is proven, with 1 when
# something is not, or did not happen in time. Whatever happens, it ends what it started and removes what it made;
# after a failure the logs are kept beside DIR, in DIR-failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)

build=$project/build/release
dir=$project/build/demo
ledger=$here/ledger.txt
per_second=1500
kill_at=40
sabotage=
nodes=(n1 n2 n3)
victim=n2
asked=n1  # the node whose admin socket we ask
teller=teller
watched=6 # accounts on the victim that each auditor links to and monitors
prefix=   # the cluster is this demo's alone
# shellcheck source=examples/bank/steps.sh
. "$here/steps.sh"

usage() {
  sed -n '3,/^# Prints/{/^# Prints/d;s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2
  exit 64
}

# ---- what was started, and its end ----

declare -A pids=()
work='' conninfo='' killed_ms=0

alive() { [ -n "${pids[$1]:-}" ] && kill -0 "${pids[$1]}" 2>/dev/null; }

none_alive() {
  local node
  for node in "${!pids[@]}"; do if alive "$node"; then return 1; fi; done
}

# Succeeds when all nodes end in order when they are asked to.
stop_nodes() {
  local node status=0
  for node in "${!pids[@]}"; do if alive "$node"; then kill -TERM "${pids[$node]}" 2>/dev/null || true; fi; done
  if ! await 15 none_alive; then
    for node in "${!pids[@]}"; do if alive "$node"; then kill -KILL "${pids[$node]}" 2>/dev/null || true; fi; done
    status=1
  fi
  for node in "${!pids[@]}"; do
    { wait "${pids[$node]}"; } 2>/dev/null || status=1 # bash would tell of a killed one
  done
  pids=()
  return "$status"
}

# Nothing of it is left when this answers.
kill_node() { # NODE
  kill -KILL "${pids[$1]}"
  { wait "${pids[$1]}"; } 2>/dev/null || true
  unset "pids[$1]"
}

remove_all() {
  stop_nodes || true
  "$project/tools/private_postgres.sh" remove "$dir" 9>&- || true
  if [ -n "$work" ]; then rm -rf "$work"; fi
  rm -rf "$dir"
}

finish() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  if [ "$status" -eq 1 ]; then
    rm -rf "$dir-failed"
    mkdir -p "$dir-failed"
    cp -L "$dir"/*.log "$dir"/*.json "$dir-failed/" 2>/dev/null || true
    echo "demo: the logs are in $dir-failed" >&2
  fi
  remove_all
  rm -f "$dir.lock"
  exit "$status"
}

# A demo that was itself killed with -9 left processes and files, and a note of them.
clear_remains() {
  local file pid
  for file in "$dir"/*.pid; do
    if [ -e "$file" ]; then
      pid=$(<"$file")
      if [ "$(readlink "/proc/$pid/exe" 2>/dev/null || true)" = "$build/bin/trouped" ]; then kill -KILL "$pid" || true; fi
    fi
  done
  if [ -f "$dir/work.path" ]; then rm -rf "$(<"$dir/work.path")"; fi
  "$project/tools/private_postgres.sh" remove "$dir" 9>&-
  rm -rf "$dir" "$dir-failed"
}

troupe() { "$build/bin/troupe" "$@" --db "$conninfo" --admin "$work/$asked.sock" --timeout 10s 9>&-; }

# ---- steps ----

read_options() {
  while [ $# -gt 0 ]; do
    if [ $# -lt 2 ]; then usage; fi
    case $1 in
      --build) build=$2 ;;
      --dir) dir=$2 ;;
      --ledger) ledger=$2 ;;
      --per-second) per_second=$2 ;;
      --kill-at) kill_at=$2 ;;
      --sabotage) sabotage=$2 ;;
      *) usage ;;
    esac
    shift 2
  done
  case $sabotage in '' | extra | mint | report) ;; *) usage ;; esac
  if [[ ! $per_second$kill_at =~ ^[0-9]+$ ]]; then usage; fi
  build=$(realpath -m "$build") dir=$(realpath -m "$dir") ledger=$(realpath -m "$ledger")
}

prepare() {
  local need
  for need in "$build/bin/trouped" "$build/bin/troupe" "$build/modules/bank.so" "$ledger"; do
    if [ ! -e "$need" ]; then fail "$need is not there; make builds it" 69; fi
  done
  if ! command -v psql >/dev/null; then fail "psql is not there; tools/install_dependencies.sh installs it" 69; fi
  umask 022
  mkdir -p "$(dirname "$dir")"
  exec 9>"$dir.lock"
  if ! flock -n 9; then fail "another demo runs in $dir" 75; fi
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  clear_remains
  mkdir -p "$dir"
  # Paths of sockets are short; this directory is for this user alone.
  local base=${TMPDIR:-/tmp}
  if [ ${#base} -gt 60 ]; then base=/tmp; fi
  work=$(mktemp -d "$base/troupe-demo.XXXXXX")
  echo "$work" >"$dir/work.path"
}

start_postgres() {
  conninfo=$("$project/tools/private_postgres.sh" start "$dir" 9>&-) || fail "PostgreSQL does not start"
  if [ -n "$(value_of 'SHOW listen_addresses')" ]; then fail "the private PostgreSQL listens on TCP"; fi
  say postgres "$(value_of 'SHOW server_version'), a cluster of its own, on a unix socket only: $conninfo"
}

migrate() {
  local number output applied=0 latest=0 jobs=()
  for number in 1 2 3 4 5; do
    troupe db migrate -o json >"$dir/migrate.$number.json" 2>"$dir/migrate.$number.log" &
    jobs+=($!)
  done
  for number in 1 2 3 4 5; do
    if ! wait "${jobs[number - 1]}"; then fail "migration $number failed: $(<"$dir/migrate.$number.log")"; fi
    output=$(<"$dir/migrate.$number.json")
    field_of "$output" applied
    applied=$((applied + field))
    field_of "$output" latest
    latest=$field
  done
  if [ "$applied" -ne "$latest" ] || [ "$(value_of 'SELECT count(*) FROM troupe.migrations')" -ne "$latest" ]; then
    fail "five migrations at once applied $applied files, not $latest"
  fi
  say schema "five at once applied each of the $latest migrations once"
}

start_node() { # NAME
  "$build/bin/trouped" --name "$1" --db "$conninfo" --listen 127.0.0.1:0 --secret-file "$dir/secret" \
    --module "$build/modules/bank.so" --admin-socket "$work/$1.sock" --ready-file "$dir/$1.json" \
    --pid-file "$dir/$1.pid" --log-format logfmt </dev/null >"$dir/$1.log" 2>&1 9>&- &
  pids[$1]=$!
}

node_is_ready() {
  if ! alive "$1"; then fail "$1 did not start: $(tail -n 1 "$dir/$1.log")"; fi
  [ -e "$dir/$1.json" ]
}

start_cluster() {
  local node list=''
  (umask 077 && od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$dir/secret")
  for node in "${nodes[@]}"; do start_node "$node"; done
  for node in "${nodes[@]}"; do
    await 20 node_is_ready "$node" || fail "$node is not ready after 20 s: $(tail -n 1 "$dir/$node.log")"
    field_of "$(<"$dir/$node.json")" port
    list+="  $node pid ${pids[$node]} port $field"
  done
  troupe wait "${nodes[@]}" --quiet || fail "not all nodes are members"
  say nodes "trouped, bank.so loaded, TCP with HMAC by a secret of 256 bits:$list"
}

start_teller() { start_teller_on "$asked" "$ledger" '["n1", "n2", "n3"]' "$per_second"; }

open_accounts() {
  start_teller
  show_accounts "$ledger"
}

start_auditors() {
  local node names
  names=$(value_of "SELECT json_build_object('names', json_agg(name)) FROM (
    SELECT name FROM troupe.names WHERE node = '$victim' AND behavior = 'bank.account' ORDER BY name LIMIT $watched) AS x")
  for node in n1 n3; do
    troupe spawn bank.auditor --name "auditor/$node" --node "$node" "$names" >/dev/null || fail "the auditor on $node does not start"
  done
  for node in n1 n3; do
    await 10 auditor_watches "$node" || fail "the auditor on $node does not watch $watched accounts"
  done
  say auditors "on n1 and n3, each trapping exits, linked to and monitoring $watched accounts on $victim"
}

auditor_watches() { # NODE
  field_of "$(ask "auditor/$1" bank.get_audit)" watching
  [ "$field" = "$watched" ]
}

# What the rows of the victim's accounts hold, to be compared with after their recovery.
note_accounts_of_victim() {
  value_of "SELECT json_agg(json_build_object('name', a.name, 'epoch', n.epoch, 'seq', a.seq, 'state', a.state))
    FROM troupe.actors a JOIN troupe.names n ON n.name = a.name
    WHERE a.node = '$victim' AND a.behavior = 'bank.account'" >"$dir/before.json"
}

play_and_kill() {
  troupe call "$teller" bank.play '{}' >/dev/null || fail "the teller does not play"
  local pace='as fast as it can'
  if [ "$per_second" -gt 0 ]; then pace="$per_second transfers a second"; fi
  say play "the teller begins, $pace"
  await 60 teller_acknowledged $((transfers * kill_at / 100)) || fail "no $kill_at % are acknowledged after 60 s"
  note_accounts_of_victim
  if ! alive "$victim"; then fail "$victim is dead before its time"; fi
  local pid=${pids[$victim]}
  killed_ms=$((${EPOCHREALTIME/./} / 1000))
  kill_node "$victim"
  if [ "$acknowledged" -ge "$transfers" ]; then fail "the kill came when all was done: nothing would be proven"; fi
  say kill "${red}kill -9 $victim${plain} (pid $pid) with $acknowledged of $transfers transfers acknowledged"
}

all_signals_came() { # NODE
  ask "auditor/$1" bank.get_audit >"$dir/audit.$1.json"
  [ "$(json_sql "$dir/audit.$1.json" -At <<'SQL'
SELECT count(DISTINCT (signal, about)) || ' ' || count(*)
  FROM jsonb_to_recordset(:'json'::jsonb -> 'signals') AS s (signal text, about text, reason text)
 WHERE signal IN ('EXIT', 'DOWN') AND reason = 'noconnection';
SQL
  )" = "$((2 * watched)) $((2 * watched))" ]
}

show_signals() {
  local node
  for node in n1 n3; do
    await 10 all_signals_came "$node" || fail "the auditor on $node did not get an EXIT and a DOWN of each of $watched accounts"
    say signals "$(json_sql "$dir/audit.$node.json" -At -v node="$node" -v killed="$killed_ms" <<'SQL'
SELECT :'node' || ' received ' || string_agg(line, '; ' ORDER BY first_ms, line) FROM (
  SELECT count(*) || ' ' || signal || ' ' || reason || ' ' || min(at_ms) - :killed
         || CASE WHEN max(at_ms) > min(at_ms) THEN ' to ' || max(at_ms) - :killed ELSE '' END || ' ms after the kill' AS line,
         min(at_ms) AS first_ms
    FROM jsonb_to_recordset(:'json'::jsonb -> 'signals') AS s (signal text, reason text, at_ms bigint)
   WHERE at_ms >= :killed
   GROUP BY signal, reason) AS x;
SQL
    )"
  done
}

victims_accounts_run() {
  [ "$(json_sql "$dir/before.json" -At <<'SQL'
SELECT count(*) FROM json_to_recordset(:'json') AS b (name text)
  LEFT JOIN troupe.actors a ON a.name = b.name AND a.status = 'running' AND a.node IN ('n1', 'n3')
 WHERE a.name IS NULL;
SQL
  )" = 0 ]
}

# No account may have gone back behind what was committed before the kill; one that nobody pays is exactly as it was.
show_recovery() {
  await 30 victims_accounts_run || fail "not all accounts of $victim run on n1 and n3 after 30 s"
  local after_ms=$((${EPOCHREALTIME/./} / 1000 - killed_ms)) behind
  behind=$(json_sql "$dir/before.json" -At <<'SQL'
SELECT count(*)
  FROM json_to_recordset(:'json') AS b (name text, epoch numeric, seq numeric, state jsonb)
  JOIN troupe.actors a ON a.name = b.name
  JOIN troupe.names n ON n.name = b.name
 WHERE n.epoch <= b.epoch OR a.seq < b.seq
    OR (a.state #>> '{sent,count}')::numeric < (b.state #>> '{sent,count}')::numeric
    OR (a.state #>> '{received,count}')::numeric < (b.state #>> '{received,count}')::numeric
    OR ((a.state #>> '{sent,count}')::numeric + (a.state #>> '{received,count}')::numeric = 0 AND a.state <> b.state);
SQL
  )
  if [ "$behind" != 0 ]; then fail "$behind accounts came back with less than was committed"; fi
  say recovered "$(json_sql "$dir/before.json" -At <<'SQL'
SELECT 'accounts of the dead node, with all that was committed: '
       || string_agg(n || ' on ' || node, ', ' ORDER BY node)
  FROM (SELECT a.node, count(*) AS n FROM json_to_recordset(:'json') AS b (name text)
          JOIN troupe.actors a ON a.name = b.name GROUP BY a.node) AS x;
SQL
  ) within $after_ms ms of the kill"
  json_sql "$dir/before.json" -P footer=off <<SQL | show
SELECT b.name, '$victim' AS was_on, a.node AS runs_on, b.epoch AS epoch_then, n.epoch AS epoch_now,
       b.state ->> 'cents' AS committed_then, a.state ->> 'cents' AS committed_now
  FROM json_to_recordset(:'json') AS b (name text, epoch numeric, seq numeric, state jsonb)
  JOIN troupe.actors a ON a.name = b.name
  JOIN troupe.names n ON n.name = b.name
 ORDER BY (b.state #>> '{sent,count}')::numeric + (b.state #>> '{received,count}')::numeric, length(b.name), b.name LIMIT 5;
SQL
}

finish_ledger() {
  await 90 teller_is finished || fail "the ledger is not finished after 90 s: $progress"
  show_finished
}

book_of_first() { value_of "SELECT state ->> '$1' FROM troupe.actors WHERE name = 'account/1'"; }

first_has_other() { [ "$(book_of_first "$1")" != "$2" ]; }

# What the proof has to notice.
falsify() {
  local before
  before=$(book_of_first cents)
  case $sabotage in
    extra) troupe call account/1 bank.transfer '{"id": 99999999, "to": "account/2", "cents": 1}' >/dev/null ;;
    mint) troupe send account/1 bank.credit '{"id": 99999999, "from": "nobody", "cents": 1}' >/dev/null ;;
    report)
      sed -i 's/"sent":{"count":[0-9]*/"sent":{"count":99999/' "$dir/report.json"
      before=
      ;;
    '') return ;;
  esac
  await 10 first_has_other cents "$before" || fail "the sabotage did not work"
  say sabotage "$sabotage: the proof has to fail now"
}

print_sql() {
  say SQL "what PostgreSQL says:"
  show_sql "SELECT node_id, name, address, state, lease_left_seconds, down_reason, declared_by FROM troupe.nodes ORDER BY node_id;"
  show_sql "SELECT node, status, durable, count(*), max(epoch) AS epoch_max FROM troupe.names GROUP BY 1, 2, 3 ORDER BY 1, 3;"
  show_sql "SELECT name, node, seq, state->>'owner' AS owner, state->>'cents' AS cents, state->>'refused_count' AS refused
  FROM troupe.actors WHERE behavior = 'bank.account' ORDER BY seq DESC LIMIT 5;"
  show_sql "SELECT epoch, to_char(at, 'HH24:MI:SS.MS') AS at, kind, node, declared_by, detail FROM troupe.events ORDER BY epoch;"
}

stop_all() {
  stop_nodes || fail "not all nodes ended in order when they were asked to"
  if [ "$(value_of "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM troupe.nodes")" != "n1 left, n2 down, n3 left" ]; then
    fail "the nodes did not leave in order: $(value_of "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM troupe.nodes")"
  fi
  remove_all
  say stop "n1 and n3 left in order; PostgreSQL is stopped, and nothing is left behind"
}

main() {
  read_options "$@"
  prepare
  start_postgres
  migrate
  start_cluster
  open_accounts
  start_auditors
  play_and_kill
  show_signals
  show_recovery
  finish_ledger
  falsify
  prove
  print_sql
  stop_all
  say "done" "${green}the sum of $(money "$total_cents") is exact, each of $acknowledged transfers is in once, none twice: nothing lost${plain}"
}

# tests/demo/chaos.sh takes the steps without the play.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
