#!/bin/bash
# tests/demo/verify.sh - does the proof of the demo (examples/bank/verify.sql) notice what is wrong?
#
# A private PostgreSQL gets tables that look like the views that the proof reads, with three accounts that are right.
# Then one thing at a time is made wrong, and exactly the claims that it breaks have to say so.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d /tmp/troupe-verify.XXXXXX)
trap '"$top/tools/private_postgres.sh" remove "$work" || true; rm -rf "$work"' EXIT
conninfo=$("$top/tools/private_postgres.sh" start "$work")
sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$conninfo" "$@"; }

sql <<'SQL'
CREATE SCHEMA troupe;
CREATE TABLE troupe.actors (name text, behavior text, status text, state jsonb);
CREATE TABLE troupe.durable_messages (id bigint, to_name text);
CREATE TABLE troupe.dead_letters (id bigint, to_name text);
INSERT INTO troupe.actors VALUES
  ('account/1', 'bank.account', 'running', '{"cents": 70, "opened_cents": 100, "refused_count": 1,
    "sent": {"count": 1, "cents": 30, "fingerprint": "18446744073709551615"}, "received": {"count": 0, "cents": 0, "fingerprint": 0}}'),
  ('account/2', 'bank.account', 'running', '{"cents": 75, "opened_cents": 50, "refused_count": 0,
    "sent": {"count": 1, "cents": 5, "fingerprint": 7}, "received": {"count": 1, "cents": 30, "fingerprint": "18446744073709551615"}}'),
  ('account/3', 'bank.account', 'running', '{"cents": 5, "opened_cents": 0, "refused_count": 0,
    "sent": {"count": 0, "cents": 0, "fingerprint": 0}, "received": {"count": 1, "cents": 5, "fingerprint": 7}}'),
  ('teller', 'bank.teller', 'running', NULL);
SQL
report='{"total_cents": 150, "overdrafts": 1, "settled": true,
 "progress": {"accounts": 3, "transfers": 3, "acknowledged": 2, "refused": 1, "skipped": 0, "abandoned": 0},
 "accounts": [
  {"name": "account/1", "cents": 70, "told_cents": 70, "refused_count": 1,
   "sent": {"count": 1, "cents": 30, "fingerprint": "18446744073709551615"}, "received": {"count": 0, "cents": 0, "fingerprint": 0}},
  {"name": "account/2", "cents": 75, "told_cents": 75, "refused_count": 0,
   "sent": {"count": 1, "cents": 5, "fingerprint": 7}, "received": {"count": 1, "cents": 30, "fingerprint": "18446744073709551615"}},
  {"name": "account/3", "cents": 5, "told_cents": 5, "refused_count": 0,
   "sent": {"count": 0, "cents": 0, "fingerprint": 0}, "received": {"count": 1, "cents": 5, "fingerprint": 7}}]}'

passed=0 failed=0 prefix=

# Runs the proof after one change, which is undone; compares the numbers of the claims that are not so.
expect() { # NAME CLAIMS CHANGE [REPORT]
  local found
  found=$({ echo 'BEGIN;' && echo "$3;" && cat "$top/examples/bank/verify.sql" && echo 'ROLLBACK;'; } |
    sql -At -F '|' -v json="${4:-$report}" -v prefix="$prefix" | grep -n 'NOT SO$' | cut -d: -f1 | paste -sd' ') || true
  if [ "$found" = "$2" ]; then
    echo "ok $1"
    passed=$((passed + 1))
  else
    echo "not ok $1: claims that are not so: '$found', expected '$2'"
    failed=$((failed + 1))
  fi
}

set_state() { echo "UPDATE troupe.actors SET state = jsonb_set(state, '$2', '$3') WHERE name = 'account/$1'"; }

expect 'all is right' '' 'SELECT 1 WHERE false'
expect 'a cent more, from nowhere' '2 9 10' "$(set_state 1 '{cents}' 71)"
expect 'a cent less' '2 9 10' "$(set_state 3 '{cents}' 4)"
expect 'a cent moved from one account to another' '9 10' "$(set_state 1 '{cents}' 71); $(set_state 3 '{cents}' 4)"
expect 'a transfer is in twice at the payee' '2 6 8 10' \
  "$(set_state 3 '{received}' '{"count": 2, "cents": 10, "fingerprint": 14}'); $(set_state 3 '{cents}' 10)"
expect 'a transfer is lost on the way' '2 6 8 10' \
  "$(set_state 3 '{received}' '{"count": 0, "cents": 0, "fingerprint": 0}'); $(set_state 3 '{cents}' 0)"
expect 'a transfer is in twice, everywhere' '5 6 7 8 10' \
  "$(set_state 2 '{sent}' '{"count": 2, "cents": 10, "fingerprint": 14}'); $(set_state 2 '{cents}' 70);
   $(set_state 3 '{received}' '{"count": 2, "cents": 10, "fingerprint": 14}'); $(set_state 3 '{cents}' 10)"
expect 'another transfer of the same amount' '7' "$(set_state 2 '{sent,fingerprint}' 8)"
expect 'another transfer of the same amount came' '8' "$(set_state 1 '{received,fingerprint}' '"1"')"
expect 'an account is gone' '1 2 5 6 7 8 9 10' "DELETE FROM troupe.actors WHERE name = 'account/2'"
expect 'an account is there that nobody opened' '1' \
  "INSERT INTO troupe.actors SELECT 'account/4', behavior, status, '{\"cents\": 0, \"opened_cents\": 0, \"refused_count\": 0,
   \"sent\": {\"count\": 0, \"cents\": 0}, \"received\": {\"count\": 0, \"cents\": 1}}' FROM troupe.actors WHERE name = 'account/1'"
expect 'an account does not run' '1' "UPDATE troupe.actors SET status = 'orphaned' WHERE name = 'account/3'"
expect 'an overdraft was forgotten' '12' "$(set_state 1 '{refused_count}' 0)"
expect 'a stored message is left' '13' "INSERT INTO troupe.durable_messages VALUES (1, 'account/1')"
expect 'a stored message is dead' '14' "INSERT INTO troupe.dead_letters VALUES (1, 'account/1')"
expect 'no account is there' '1 2 5 6 7 8 9 10 12' "DELETE FROM troupe.actors"
expect 'the teller was told of one transfer less' '3 5 6' 'SELECT 1 WHERE false' "${report/\"acknowledged\": 2/\"acknowledged\": 1}"
expect 'the teller abandoned a transfer' '4' 'SELECT 1 WHERE false' "${report/\"abandoned\": 0/\"abandoned\": 1}"
expect 'the actor says another balance than its row' '10' 'SELECT 1 WHERE false' "${report/\"told_cents\": 75/\"told_cents\": 74}"
expect 'an overdraft was paid' '11' 'SELECT 1 WHERE false' "${report/\"overdrafts\": 1/\"overdrafts\": 2}"

# The same with a prefix: what has another one, or none, is another bank's.
prefix=b1/
report=${report//account\//b1/account/}
others="INSERT INTO troupe.durable_messages VALUES (1, 'account/1'); INSERT INTO troupe.dead_letters VALUES (1, 'b2/account/1')"
named="INSERT INTO troupe.actors SELECT 'b1/' || name, behavior, status, state FROM troupe.actors"
expect 'all is right, and another bank beside it' '' "$named; $others"
expect 'a cent more in this bank' '2 9 10' "$named; UPDATE troupe.actors SET state = jsonb_set(state, '{cents}', '71')
   WHERE name = 'b1/account/1'"
expect 'a stored message is left in this bank' '13' "$named; INSERT INTO troupe.durable_messages VALUES (1, 'b1/account/1')"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
