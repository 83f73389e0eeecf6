#!/bin/bash
# examples/bank/cluster_demo.sh - the bank on a cluster that runs, while you kill one of its nodes: nothing is lost.
#
# It starts a node of its own for the teller, opens accounts on the nodes of the cluster, has them pay each other, says
# which nodes die and when their accounts run again, and proves at the end that every acknowledged transfer is in once
# and none twice. What `docker compose run --rm demo` runs. It reads these variables:
#
#   DEMO_PER_SECOND=100     transfers begun per second, 0 for as many as it can
#   DEMO_LEDGER=FILE        what to play; default: the ledger of the example
#   DEMO_NODES=2            how many nodes there have to be, besides its own
#   DEMO_EXPECT_DEATH=no    yes: fail when no node with accounts died while they paid
#   DEMO_KEEP=no            yes: leave the accounts in the cluster; they are closed otherwise
#   DEMO_ADMIN_SOCKET       the admin socket of its own node, TROUPE_ADMIN_SOCKET
#   DEMO_DIR                a folder for its files, /tmp
#
# Its node takes the settings of trouped (TROUPE_DB_FILE ...), psql those of libpq (PGHOST ...). It prints one line per
# step with the seconds since the start, and exits with 0 when everything is proven, with 1 when something is not.
# Accounts of different runs have different names, so it may run again, and several at once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

ledger=${DEMO_LEDGER:-$here/ledger.txt}
per_second=${DEMO_PER_SECOND:-100}
nodes_min=${DEMO_NODES:-2}
expect_death=${DEMO_EXPECT_DEATH:-no}
keep=${DEMO_KEEP:-no}
admin=${DEMO_ADMIN_SOCKET:-${TROUPE_ADMIN_SOCKET:-/run/troupe/admin.sock}}
ready=${TROUPE_READY_FILE:-/run/troupe/ready.json}
conninfo='application_name=troupe-demo'
watched=6 # accounts on each node that the auditor links to and monitors
report_s=5 # between two lines about the progress
dir='' node_pid='' own='' own_id='' members='' prefix='' teller='' ours='' reply=''
began_epoch=0 seen_epoch=0 deaths=0 recovering=no opened=no database=there
# shellcheck source=examples/bank/steps.sh
. "$here/steps.sh"

# ---- what was started, and its end ----

alive() { [ -n "$node_pid" ] && kill -0 "$node_pid" 2>/dev/null; }

not_alive() { ! alive; }

# Succeeds when our node leaves in order.
stop_node() {
  local status=0
  if alive; then kill -TERM "$node_pid" || true; fi
  if ! await 20 not_alive; then kill -KILL "$node_pid" || true; fi
  wait "$node_pid" || status=$?
  node_pid=
  return "$status"
}

finish() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  if [ "$status" -eq 1 ] && [ -s "$dir/node.log" ]; then
    echo "demo: what its own node said last:" >&2
    tail -n 20 "$dir/node.log" >&2
  fi
  if [ "$opened" = yes ] && [ "$keep" != yes ] && [ "$status" -ne 1 ]; then close_accounts || true; fi
  if alive; then stop_node || true; fi
  if [ "$opened" = yes ] && [ "$status" -eq 1 ]; then echo "demo: the accounts are still there, named $prefix..." >&2; fi
  rm -rf "$dir"
  exit "$status"
}

# ---- asking ----

troupe() { command troupe "$@" --admin "$admin" --timeout 10s; }

# A node that dies, or a database that is started again, may cost an answer: ask again, in place of steps.sh's.
ask() { # NAME TYPE
  await 30 reply_of "$1" "$2" 2>>"$dir/ask.log" && printf '%s\n' "${reply#* }"
}

reply_of() { reply=$(troupe call "$1" "$2" '{}'); }

# Sets `field` to the value of a query; says when the database goes and comes back. Nothing here depends on its being there.
glance() { # SQL
  if field=$(value_of "$1" 2>/dev/null); then
    if [ "$database" = away ]; then say database 'PostgreSQL answers again'; fi
    database=there
    return 0
  fi
  if [ "$database" = there ]; then say database 'PostgreSQL does not answer; actors go on, and commits wait'; fi
  database=away
  return 1
}

# ---- steps ----

check_options() {
  if [[ ! $per_second$nodes_min =~ ^[0-9]+$ ]]; then fail 'DEMO_PER_SECOND and DEMO_NODES are numbers' 64; fi
  if [ ! -r "$ledger" ]; then fail "$ledger is not there" 69; fi
  dir=$(mktemp -d "${DEMO_DIR:-/tmp}/troupe-demo.XXXXXX")
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  prefix=bank-$(od -An -v -tx1 -N4 /dev/urandom | tr -d ' \n')/
  teller=${prefix}teller
  ours="behavior = 'bank.account' AND starts_with(name, '$prefix')"
}

find_members() {
  command troupe wait --nodes "$nodes_min" --timeout 60s --quiet --db "$conninfo" ||
    fail "the cluster has fewer than $nodes_min nodes after 60 s" 69
  members=$(value_of "SELECT json_agg(name ORDER BY name) FROM troupe.nodes WHERE state = 'up'")
  say cluster "PostgreSQL $(value_of 'SHOW server_version'), nodes $(value_of "SELECT string_agg(name || ' at ' || address, ', ' ORDER BY name)
    FROM troupe.nodes WHERE state = 'up'")"
}

node_is_ready() {
  if ! alive; then fail "its own node did not start: $(tail -n 1 "$dir/node.log")"; fi
  [ -e "$ready" ]
}

start_node() {
  rm -f "$ready"
  trouped --admin-socket "$admin" --ready-file "$ready" --log-format logfmt </dev/null >"$dir/node.log" 2>&1 &
  node_pid=$!
  await 30 node_is_ready || fail "its own node is not ready after 30 s"
  field_of "$(<"$ready")" name
  own=$field
  field_of "$(<"$ready")" node_id
  own_id=$field
  say node "$own joined as node $own_id: the teller runs here, its accounts elsewhere"
}

open_accounts() {
  opened=yes
  start_teller_on "$own" "$ledger" "$members" "$per_second"
  show_accounts "$ledger"
}

auditor_watches() { # COUNT
  field_of "$(ask "${prefix}auditor" bank.get_audit)" watching
  [ "$field" -eq "$1" ]
}

# Links and monitors to a few accounts on each node, so that the signals of a death can be seen.
start_auditor() {
  local names count
  names=$(value_of "SELECT json_build_object('names', json_agg(name)) FROM (
    SELECT name, row_number() OVER (PARTITION BY node ORDER BY name) AS place FROM troupe.names
     WHERE $ours ORDER BY place, node LIMIT 60) AS x WHERE place <= $watched")
  count=$(grep -o account/ <<<"$names" | wc -l)
  troupe spawn bank.auditor --name "${prefix}auditor" --node "$own" "$names" >/dev/null || fail 'the auditor does not start'
  await 20 auditor_watches "$count" || fail "the auditor does not watch $count accounts"
  say auditor "traps exits, is linked to and monitors $count accounts"
}

play() {
  local pace='as fast as it can'
  if [ "$per_second" -gt 0 ]; then pace="$per_second transfers a second"; fi
  began_epoch=$(value_of 'SELECT coalesce(max(epoch), 0) FROM troupe.events')
  seen_epoch=$began_epoch
  troupe call "$teller" bank.play '{}' >/dev/null || fail 'the teller does not play'
  say play "the teller begins, $pace. ${bold}Now kill a node${plain}: docker kill $(value_of "SELECT min(name) FROM troupe.nodes
    WHERE state = 'up' AND node_id <> $own_id")"
}

# Says which nodes went since it last looked, and who said so.
tell_deaths() {
  local epoch node detail by held
  glance "SELECT e.epoch, e.node, e.detail, e.declared_by, '$members'::jsonb ? e.node
    FROM troupe.events e WHERE e.kind = 'node_down' AND e.epoch > $seen_epoch AND e.node_id <> $own_id ORDER BY e.epoch" || return 0
  while IFS='|' read -r epoch node detail by held; do
    if [ -z "$epoch" ]; then continue; fi
    seen_epoch=$epoch
    recovering=yes
    if [ "$held" = t ]; then deaths=$((deaths + 1)); fi
    look
    field_of "$progress" acknowledged
    say death "${red}$node is down${plain}: $detail, declared by ${by:-itself}, with $field of $transfers transfers acknowledged"
  done <<<"$field"
}

accounts_run() {
  local accounts
  field_of "$progress" accounts
  accounts=$field
  glance "SELECT count(*) FROM troupe.actors a JOIN troupe.nodes n ON n.node_id = a.node_id AND n.state = 'up'
    WHERE a.status = 'running' AND a.name IN (SELECT name FROM troupe.names WHERE $ours)" && [ "$field" = "$accounts" ]
}

tell_recovery() {
  if [ "$recovering" = yes ] && accounts_run; then
    recovering=no
    glance "SELECT string_agg(n || ' on ' || node, ', ' ORDER BY node) FROM (
      SELECT node, count(*) AS n FROM troupe.names WHERE $ours GROUP BY node) AS x" || return 0
    say recovered "all accounts run: $field"
  fi
}

tell_progress() {
  field_of "$progress" acknowledged
  say playing "$field of $transfers transfers acknowledged"
}

# Watches until every transfer has an outcome. A paced ledger takes as long as it takes; then the rest has two minutes.
watch_play() {
  local deadline next_us
  deadline=$((${EPOCHREALTIME/./} + (120 + (per_second > 0 ? transfers / per_second : 0)) * 1000000))
  next_us=$((${EPOCHREALTIME/./} + report_s * 1000000))
  until teller_is finished; do
    tell_deaths
    tell_recovery
    if [ "${EPOCHREALTIME/./}" -gt "$next_us" ]; then
      tell_progress
      next_us=$((${EPOCHREALTIME/./} + report_s * 1000000))
    fi
    if [ "${EPOCHREALTIME/./}" -gt "$deadline" ]; then fail "the ledger is not finished: $progress"; fi
    sleep 0.2
  done
  tell_deaths
  if [ "$deaths" -eq 0 ] && [ "$expect_death" = yes ]; then fail 'no node with accounts died while they paid'; fi
  if [ "$deaths" -eq 0 ]; then say death 'no node died while the accounts paid: run it again, and kill one'; fi
  await 60 accounts_run || fail 'not all accounts run after 60 s'
  tell_recovery
}

show_signals() {
  ask "${prefix}auditor" bank.get_audit >"$dir/audit.json"
  json_sql "$dir/audit.json" -At <<'SQL' >"$dir/signals"
SELECT count(*) || ' ' || signal || ' ' || reason || ' of accounts on ' || node FROM (
  SELECT s.signal, s.reason, coalesce(n.name, '?') AS node
    FROM jsonb_to_recordset(:'json'::jsonb -> 'signals') AS s (signal text, reason text, pid text)
    LEFT JOIN troupe.nodes n ON n.node_id::text = substring(s.pid FROM '<?([0-9]+)')
   WHERE s.signal IN ('EXIT', 'DOWN')) AS x
 GROUP BY node, signal, reason ORDER BY node, signal, reason;
SQL
  if [ -s "$dir/signals" ]; then
    say signals 'the auditor received:'
    show <"$dir/signals"
  fi
}

print_sql() {
  say SQL 'what PostgreSQL says:'
  show_sql "SELECT node_id, name, address, state, down_reason, declared_by FROM troupe.nodes ORDER BY node_id DESC LIMIT 10;"
  show_sql "SELECT node, status, count(*), max(epoch) AS epoch_max FROM troupe.names WHERE $ours
  GROUP BY 1, 2 ORDER BY 1;"
  show_sql "SELECT name, node, seq, state->>'owner' AS owner, state->>'cents' AS cents FROM troupe.actors
 WHERE $ours ORDER BY seq DESC LIMIT 5;"
  show_sql "SELECT epoch, to_char(at, 'HH24:MI:SS.MS') AS at, kind, node, declared_by, detail FROM troupe.events
 WHERE epoch > $began_epoch ORDER BY epoch;"
}

# Closes those that are left; an account that was just moving is told again.
none_left() {
  local name
  glance "SELECT name FROM troupe.names WHERE $ours" || return 1
  if [ -z "$field" ]; then return 0; fi
  for name in $field; do troupe send "$name" bank.close '{}' >>"$dir/ask.log" 2>&1 || true; done
  return 1
}

close_accounts() {
  await 60 none_left || return 1
  opened=no
}

leave() {
  if [ "$keep" = yes ]; then
    say accounts "stay, named ${prefix}account/..."
  else
    close_accounts || fail "some accounts of $prefix could not be closed"
    say accounts 'closed'
  fi
  stop_node || fail 'its own node did not end in order'
  if [ "$(value_of "SELECT state FROM troupe.nodes WHERE node_id = $own_id")" != left ]; then fail 'its own node did not leave in order'; fi
  say node "$own has left the cluster"
}

main() {
  check_options
  find_members
  start_node
  open_accounts
  start_auditor
  play
  watch_play
  show_finished
  show_signals
  prove
  print_sql
  leave
  say "done" "${green}the sum of $(money "$total_cents") is exact, each of $acknowledged transfers is in once, none twice: nothing lost${plain}"
}

main
