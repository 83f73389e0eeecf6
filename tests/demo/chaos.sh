#!/bin/bash
# tests/demo/chaos.sh --build DIR --dir DIR - the ledger of the demo while everything is killed in turn.
#
# While accounts pay each other: kill -9 of n2, which comes back under its name; kill -9 of n3 the moment n2 is back;
# kill -9 of PostgreSQL, which is started again; kill -9 of n1 with the teller on it, whereupon a second teller goes on
# from n3; SIGSTOP of n2 beyond its lease, then SIGCONT. Then the proof of the demo, claim by claim.
# Every fault has to have bitten: transfers were left to be made when it came.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/bank/demo.sh
. "$here/../../examples/bank/demo.sh"
here=$project/examples/bank

# Waits until so many percent of the ledger are decided by both tellers together.
play_until() { # PERCENT
  await 60 teller_decided $((transfers * $1 / 100)) || fail "no $1 % are decided after 60 s: $progress"
}

teller_decided() { # AT LEAST
  local sum=0 key
  look
  for key in acknowledged refused skipped; do
    field_of "$progress" "$key"
    sum=$((sum + field))
  done
  if [ "$sum" -ge "$transfers" ]; then fail "all was done before the fault came: it would prove nothing"; fi
  decided=$sum
  [ "$sum" -ge "$1" ]
}

kill_and_say() { # NODE
  kill_node "$1"
  say fault "kill -9 $1 with $decided of $transfers decided"
}

bring_back() { # NODE
  rm -f "$dir/$1.json"
  start_node "$1"
  await 20 node_is_ready "$1" || fail "$1 is not ready again: $(tail -n 1 "$dir/$1.log")"
  say back "$1 runs again, pid ${pids[$1]}"
}

kill_postgres() {
  local home
  home=$(<"$dir/postgres.path")
  kill -KILL "$(head -n 1 "$home/data/postmaster.pid")"
  say fault "kill -9 of PostgreSQL with $decided of $transfers decided"
  await 20 start_postgres_again || fail "PostgreSQL does not start again"
  say back "PostgreSQL runs again"
}

# The killed server may still be on its way out when it is looked at first.
start_postgres_again() {
  "$project/tools/private_postgres.sh" start "$dir" 9>&- >/dev/null 2>&1 && value_of 'SELECT 1' >/dev/null 2>&1
}

pause_beyond_lease() { # NODE
  local started
  started=$(value_of "SELECT max(node_id) FROM troupe.nodes WHERE name = '$1'")
  kill -STOP "${pids[$1]}"
  say fault "SIGSTOP $1 with $decided of $transfers decided"
  await 20 node_is_down "$started" || fail "$1 is stopped, and not down after 20 s"
  kill -CONT "${pids[$1]}"
  await 20 node_joined_anew "$1" "$started" || fail "$1 did not join anew after SIGCONT"
  say back "$1 was declared dead while it was stopped, and has joined anew"
}

node_is_down() { [ "$(value_of "SELECT state FROM troupe.nodes WHERE node_id = $1")" = down ]; }

node_joined_anew() { # NODE OLD_ID
  [ "$(value_of "SELECT count(*) FROM troupe.nodes WHERE name = '$1' AND node_id > $2 AND state = 'up'")" -eq 1 ]
}

all_accounts_run() {
  [ "$(value_of "SELECT count(*) FROM troupe.actors WHERE behavior = 'bank.account' AND status <> 'running'")" -eq 0 ]
}

second_teller() {
  asked=n3 teller=teller2
  start_teller
  troupe call "$teller" bank.play '{}' >/dev/null || fail "the second teller does not play"
  say back "a second teller goes on from n3"
}

chaos() {
  read_options "$@"
  prepare
  start_postgres
  migrate
  start_cluster
  open_accounts
  troupe call "$teller" bank.play '{}' >/dev/null || fail "the teller does not play"
  play_until 15
  kill_and_say n2
  bring_back n2
  play_until 30
  kill_and_say n3
  bring_back n3
  play_until 45
  kill_postgres
  play_until 60
  kill_and_say n1
  bring_back n1
  second_teller
  play_until 75
  pause_beyond_lease n2
  finish_ledger
  await 20 all_accounts_run || fail "not all accounts run"
  prove
  stop_nodes || fail "not all nodes ended in order when they were asked to"
  say "done" "${green}nothing lost${plain}"
}

decided=0
per_second=400
chaos "$@"
