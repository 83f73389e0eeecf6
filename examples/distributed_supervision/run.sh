#!/bin/sh
# examples/distributed_supervision/run.sh BUILD_DIR - runs the example on a PostgreSQL of its own and
# compares what it prints with expected.txt.
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
tools=$here/../../tools
work=$(mktemp -d /tmp/troupe-example.XXXXXX)
clean() {
  "$tools/private_postgres.sh" remove "$work/pg" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT
db=$("$tools/private_postgres.sh" start "$work/pg")
"$build/bin/troupe" --db "$db" db migrate >/dev/null 2>&1
"$build/bin/example_distributed_supervision" "$db" >"$work/out"
diff "$here/expected.txt" "$work/out"
cat "$work/out"
