#!/bin/bash
# tests/demo/run.sh BUILD_DIR [twice|interrupt|sabotage|input|chaos]... - does the demo show what it says, and clean up?
#
#   twice      two runs in a row, both proven, the second in less than 60 s
#   interrupt  Ctrl-C at four moments: no process and no file is left
#   sabotage   the outcome is falsified in three ways: the demo ends with 1 and says which claims are not so
#   input      wrong arguments, no ledger, a ledger that is garbage
#   chaos      tests/demo/chaos.sh: every node and PostgreSQL are killed in turn while the ledger is played
#
# Prints `ok NAME` or `not ok NAME`, the output of what failed, and `N passed, N failed, N skipped`.
set -uo pipefail
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(realpath "${1:-$top/build/release}")
shift || true
work=$(mktemp -d /tmp/troupe-demo-test.XXXXXX)
export TMPDIR=$work/t # a short path, that the server's user can pass through
mkdir -m 711 "$TMPDIR"
chmod 711 "$work"
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND...: the command must succeed
  local name=$1
  shift
  if "$@"; then
    echo "ok $name"
    passed=$((passed + 1))
  else
    echo "not ok $name"
    failed=$((failed + 1))
    # What the demo printed, once.
    sed 's/^/    /' "$work/unseen" "$work"/demo-failed/*.log 2>/dev/null
    : >"$work/unseen"
  fi
}

demo() { # OPTION...: runs the demo; its output is in $work/out, its exit status in $status
  "$top/examples/bank/demo.sh" --build "$build" --dir "$work/demo" "$@" >"$work/out" 2>&1
  status=$?
  cp "$work/out" "$work/unseen"
}

says() { # REGEX...: each is in the output, in this order
  local pattern line=0 next
  for pattern in "$@"; do
    next=$(tail -n +$((line + 1)) "$work/out" | grep -n -m 1 -E -- "$pattern" | cut -d: -f1)
    if [ -z "$next" ]; then
      echo "    not there, or not in its place: $pattern"
      return 1
    fi
    line=$((line + next))
  done
}

says_never() { ! grep -E -- "$1" "$work/out"; }

ended_with() { [ "$status" -eq "$1" ] || { echo "    exit status $status, not $1"; return 1; }; }

# No process that names our directory or works in it, and no file: sockets and data are below TMPDIR.
nothing_is_left() {
  local words left=0 file
  for file in /proc/[0-9]*/cmdline; do
    words=$({ tr '\0' ' ' <"$file"; } 2>/dev/null) # the process may have ended meanwhile
    if [[ $words == *"$work/demo"* ]]; then
      echo "    still runs: $words"
      left=1
    fi
  done
  if find /proc/[0-9]*/cwd -maxdepth 0 -lname "$work/*" 2>/dev/null | grep -q .; then
    echo "    a server still runs below $work"
    left=1
  fi
  for file in "$work"/demo* "$TMPDIR"/*; do
    if [ -e "$file" ] && [ "$file" != "$work/demo-failed" ]; then
      echo "    still there: $file"
      left=1
    fi
  done
  [ "$left" -eq 0 ]
}

shows_everything() {
  says ' postgres .*unix socket only' ' schema .*five at once applied each of the [0-9]+ migrations once' \
    ' nodes .*n1 pid .*n2 pid .*n3 pid' ' ledger .*malformed lines that are skipped: 7$' \
    'line 544: cents have to be a whole number' ' accounts .* on n1, .* on n2, .* on n3' ' auditors ' ' kill .*kill -9 n2' \
    ' signals .*n1 received .*6 (EXIT|DOWN) noconnection .* ms after the kill' \
    ' signals .*n3 received .*6 (EXIT|DOWN) noconnection .* ms after the kill' \
    ' recovered .* on n1, .* on n3' 'account/[0-9]+ .* n2 .* n[13] ' ' finished .*45 overdrafts refused' \
    ' proof .*ok .*the sum of all money' ' proof .*ok .*paid exactly what was acknowledged' \
    ' proof .*ok .*were paid exactly what was acknowledged' 'FROM troupe.nodes' ' n2 .*down' 'FROM troupe.names' \
    "state->>'cents'" 'FROM troupe.events' 'node_down .* n2 ' ' stop .*nothing is left behind' ' done .*nothing lost'
}

case_twice() {
  local round start seconds
  for round in first second; do
      start=$(date +%s)
    demo
    seconds=$(($(date +%s) - start))
    check "the $round demo succeeds" ended_with 0
    check "the $round demo shows every step" shows_everything
    check "the $round demo says NOT SO nowhere" says_never 'NOT SO'
    check "the $round demo leaves nothing" nothing_is_left
  done
  check "the second demo takes less than 60 s, it took $seconds" [ "$seconds" -lt 60 ]
}

# Sends what Ctrl-C sends, to the whole process group, once the demo has printed that step.
interrupt_at() { # STEP
  local pid tries=1500
  : >"$work/out"
  set -m # its own process group, and SIGINT not ignored
  "$top/examples/bank/demo.sh" --build "$build" --dir "$work/demo" >"$work/out" 2>&1 &
  pid=$!
  set +m
  until grep -q " $1 " "$work/out" || [ "$tries" -eq 0 ]; do
    tries=$((tries - 1))
    sleep 0.02
  done
  kill -INT -- "-$pid"
  wait "$pid"
  status=$?
  cp "$work/out" "$work/unseen"
}

case_interrupt() {
  local step
  for step in postgres nodes play kill; do
    interrupt_at "$step"
    check "Ctrl-C after the step $step is answered with 130" ended_with 130
    check "Ctrl-C after the step $step leaves nothing" nothing_is_left
  done
}

case_sabotage() {
  demo --sabotage extra
  check "a transfer that nobody was told of ends the demo with 1" ended_with 1
  check "a transfer that nobody was told of is seen" says 'NOT SO.*in the books of the payers' 'NOT SO.*each transfer once' \
    'demo: not proven'
  check "the money is exact all the same" says ' ok .*the sum of all money'
  demo --sabotage mint
  check "a cent from nowhere ends the demo with 1" ended_with 1
  check "a cent from nowhere is seen" says 'NOT SO.*the sum of all money' 'demo: not proven'
  demo --sabotage report
  check "a falsified report ends the demo with 1" ended_with 1
  check "a falsified report is seen" says 'NOT SO.*each transfer once' 'demo: not proven'
  check "a failed demo leaves nothing but its logs" nothing_is_left
  check "a failed demo keeps its logs" [ -s "$work/demo-failed/n1.log" ]
}

case_input() {
  make --no-print-directory -n -C "$top" demo >"$work/out" 2>&1
  check "make demo runs this script" says '^examples/bank/demo.sh$'
  demo --nonsense 1
  check "an unknown option is refused with 64" ended_with 64
  demo --sabotage nothing
  check "an unknown sabotage is refused with 64" ended_with 64
  demo --ledger "$work/none"
  check "a ledger that is not there is refused with 69" ended_with 69
  check "a ledger that is not there is named" says "$work/none is not there"
  printf '\177ELF\001\000garbage\nopen\n' >"$work/garbage"
  demo --ledger "$work/garbage"
  check "a ledger without an account ends the demo with 1" ended_with 1
  check "a ledger without an account is named" says 'no account|opens no accounts'
  check "nothing is left" nothing_is_left
}

case_chaos() {
  "$top/tests/demo/chaos.sh" --build "$build" --dir "$work/demo" >"$work/out" 2>&1
  status=$?
  cp "$work/out" "$work/unseen"
  check "chaos ends with 0" ended_with 0
  check "every fault came and went" says 'fault +kill -9 n2' 'back +n2' 'fault +kill -9 n3' 'back +n3' \
    'fault +kill -9 of PostgreSQL' 'back +PostgreSQL' 'fault +kill -9 n1' 'back +n1' 'back +a second teller' \
    'fault +SIGSTOP n2' 'back +n2' ' proof .*ok ' 'nothing lost'
  check "chaos breaks no claim" says_never 'NOT SO'
  check "chaos leaves nothing" nothing_is_left
}

if [ $# -eq 0 ]; then set -- twice interrupt sabotage input chaos; fi
for name in "$@"; do
  "case_$name" || { echo "not ok $name"; failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
