# tests/cli/lib.sh - what the tests of the programs share. Sourced with $build set.
#
#   ran COMMAND...         runs it; its output is in $work/out and $work/err, its exit status in $status
#   check NAME COMMAND...  counts one case: the command must succeed
#   await SECONDS COMMAND  waits until the command succeeds; else prints what its last try said
# shellcheck shell=bash
export LC_ALL=C
# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d /tmp/troupe-cli-test.XXXXXX)
chmod 711 "$work"
passed=0 failed=0 status=0
# Nothing of the caller's reaches into the tests.
unset "${!PG@}" "${!TROUPE_@}"
PATH=${build:?}/bin:$PATH
# The leak checker looks into its own process as a debugger does.
if grep -q '^TROUPE_SANITIZE:STRING=.' "$build/CMakeCache.txt" 2>/dev/null; then export TROUPE_CORE_DUMPS=on; fi

check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@"; then
    echo "ok $name"
    passed=$((passed + 1))
  else
    echo "not ok $name"
    failed=$((failed + 1))
    sed 's/^/    out: /' "$work/out" 2>/dev/null
    sed 's/^/    err: /' "$work/err" 2>/dev/null
  fi
}

ran() {
  "$@" >"$work/out" 2>"$work/err" </dev/null
  status=$?
}

ended_with() { [ "$status" -eq "$1" ] || { echo "    exit status $status, not $1"; return 1; }; }

prints() { grep -Eq -- "$1" "$work/out" || { echo "    stdout has no: $1"; return 1; }; }
says() { grep -Eq -- "$1" "$work/err" || { echo "    stderr has no: $1"; return 1; }; }

# Neither stdout nor stderr has it.
hides() { ! grep -qF -- "$1" "$work/out" "$work/err" || { echo "    it is printed: $1"; return 1; }; }

# The usual shape of an error: exit status, code, and words on stderr; nothing on stdout.
fails_as() { # STATUS CODE WORDS
  ended_with "$1" && says "error TRP-$2: .*$3" && says '^  HINT: |^  DETAIL: |: error' &&
    { [ ! -s "$work/out" ] || { echo '    something is on stdout'; return 1; }; }
}

# Evaluates a Python expression over the JSON on stdout, called j.
json() {
  python3 -c 'import json,sys
j = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$work/out" "$1" || { echo "    not so: $1"; return 1; }
}

await() { # SECONDS COMMAND...
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@" >"$work/tries" 2>&1; do
    if [ "${EPOCHREALTIME/./}" -gt "$deadline" ]; then
      cat "$work/tries"
      echo "    not in time: $*"
      return 1
    fi
    sleep 0.05
  done
}

finish() {
  echo "$passed passed, $failed failed, 0 skipped"
  [ "$failed" -eq 0 ]
}
