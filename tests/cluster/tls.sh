#!/bin/bash
# tests/cluster/tls.sh BUILD_DIR - three nodes with TLS and nothing else to prove themselves by, on a PostgreSQL of their own.
#
# Requests flow all the time, while certificates are replaced, the authority is rotated, and connections break; each is
# counted where it begins and where it ends, and no session may be lost.
set -uo pipefail
build=$(realpath "${1:?usage: tests/cluster/tls.sh BUILD_DIR}")
# shellcheck source=tests/cli/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
postgres=$top/tools/private_postgres.sh
cd "$work" || exit 70
declare -A pids=()

clean() {
  local pid
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
  "$postgres" remove "$work/postgres" >/dev/null 2>&1
  if [ "$failed" -gt 0 ] && [ -n "${KEEP:-}" ]; then echo "kept $work"; else cd / && rm -rf "$work"; fi
}
trap clean EXIT

quietly() { "$@" >/dev/null; }

# Every node has a folder of its own, as it would have a machine: its certificate, its key, and whom it trusts.
give_certificate() { # NAME
  mkdir -p "$1.d"
  cp "troupe-ca/node-$1.pem" "troupe-ca/node-$1.key" "$1.d/"
}

give_authorities() { cp troupe-ca/ca.pem "$1.d/"; } # NAME

start_node() { # NAME OPTION...: its files are those of NAME.d unless an option says otherwise
  local name=$1
  shift
  trouped --config /dev/null --name "$name" --db "$db" --module "$build/modules/probe.so" --tls-cert "$name.d/node-$name.pem" \
    --tls-key "$name.d/node-$name.key" --tls-ca "$name.d/ca.pem" --admin-socket "$work/$name.sock" \
    --ready-file "$work/$name.ready" --allow-unsafe-fsync on --log-format logfmt --heartbeat 100ms --silence 800ms \
    --resume-window 30s --lease-ttl 60s --listen 127.0.0.1:0 "$@" >>"$work/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
}

ready() { [ -s "$work/$1.ready" ]; }

has_lines() { # NAME COUNT TEXT: at least so many lines of its log have it
  [ "$(grep -cF -- "$3" "$work/$1.log")" -ge "$2" ] || { echo "    $1 has not logged $2 times: $3"; tail -n 5 "$work/$1.log"; return 1; }
}

has_no_line() { # NAME TEXT
  ! grep -F -- "$2" "$work/$1.log"
}

lines_of() { grep -cF -- "$2" "$work/$1.log"; } # NAME TEXT

at() { # NODE COMMAND...: troupe, asking this node
  local node=$1
  shift
  ran troupe "$@" --admin "$work/$node.sock" --timeout 30s
}

started() { at "$@" && [ "$status" -eq 0 ]; }

tally() { grep -o "\"$1\":[0-9]*" "$work/out" | grep -o '[0-9]*$'; } # FIELD, of what is in $work/out

acknowledged() { # AT LEAST
  at n1 call load probe.tally_get '{}'
  [ "$(tally acknowledged)" -ge "$1" ]
}

goes_on() { # more is acknowledged than now
  at n1 call load probe.tally_get '{}'
  await 30 acknowledged $(($(tally acknowledged) + 50))
}

quiet() {
  at n1 call load probe.tally_get '{}'
  [ "$(tally under_way)" = 0 ]
}

total() {
  local name sum=0
  for name in k/0 k/1 k/2; do
    at n1 call "$name" probe.get '{}'
    sum=$((sum + $(grep -o '[0-9]*' "$work/out" | tail -n 1)))
  done
  echo "$sum"
}

totals_are() { [ "$(total)" = "$1" ]; }

# Stops n2 until the others give its connections up, so that the next ones begin with the certificates of now.
break_connections() {
  local silent resumed
  silent=$(lines_of n1 'is silent') resumed=$(lines_of n1 'resumed')
  kill -STOP "${pids[n2]}"
  await 30 has_lines n1 $((silent + 1)) 'is silent'
  kill -CONT "${pids[n2]}"
  await 30 has_lines n1 $((resumed + 1)) 'resumed'
}

reload_all() {
  local name lines
  for name in n1 n2 n3; do
    lines=$(lines_of "$name" 'TLS certificate read again')
    kill -HUP "${pids[$name]}"
    await 30 has_lines "$name" $((lines + 1)) 'TLS certificate read again' || return 1
  done
}

after_step() { # WHAT
  check "$1: all nodes read their files again" reload_all
  check "$1: connections that break come back" break_connections
  check "$1: requests go on" goes_on
}

# ---- the authority ----

troupe ca init bank >"$work/out" 2>"$work/err"
check "an authority is made" [ -s troupe-ca/ca.pem ]
check "nobody else reads its key" [ "$(stat -c %a troupe-ca/ca.key)" = 600 ]
ran troupe ca init bank
check "it is not made anew by mistake" fails_as 78 1003 'there already'
troupe ca issue node n1 >"$work/out" 2>"$work/err"
check "a node gets a certificate" [ -s troupe-ca/node-n1.pem ]
check "nobody else reads its key either" [ "$(stat -c %a troupe-ca/node-n1.key)" = 600 ]
ran troupe ca issue node n1
check "it is not replaced by mistake" fails_as 78 1003 'there already'
for name in n2 n3 x; do quietly troupe ca issue node $name; done
troupe ca issue client admin >"$work/out" 2>"$work/err"
check "a client gets a certificate" [ -s troupe-ca/client-admin.key ]
printf 'name = n1\ntls_cert = troupe-ca/node-n1.pem\ntls_key = troupe-ca/node-n1.key\ntls_ca = troupe-ca/ca.pem\n' >n1.conf
ran trouped --config n1.conf --check-config
check "trouped says that they are of use to n1" prints 'node-n1.pem is valid for 36[45] days'
ran troupe ca issue node 'n/1'
check "a name that could be taken for another is refused" fails_as 64 1001 'A-Z a-z 0-9'
ran troupe ca issue node n9 --ca-dir nowhere
check "without an authority it says where one is looked for" fails_as 71 7001 'nowhere/ca.key'
if command -v openssl >/dev/null; then
  ran openssl verify -x509_strict -CAfile troupe-ca/ca.pem troupe-ca/node-n1.pem troupe-ca/client-admin.pem
  check "another program finds the certificates right" ended_with 0
fi

# ---- three nodes ----

db=$("$postgres" start "$work/postgres") || exit 1
export TROUPE_DB=$db
quietly troupe db migrate
for name in n1 n2 n3; do
  give_certificate $name
  give_authorities $name
  # One of them by the file system: TLS is the same there.
  if [ $name = n3 ]; then start_node $name --listen "unix:$work/n3.peer"; else start_node $name; fi
done
for name in n1 n2 n3; do check "$name is up" await 60 ready $name; done
for name in n2 n3; do check "n1 has a session with $name" await 60 has_lines n1 1 "with node $name"; done
for i in 0 1 2; do
  check "k/$i starts" started "n$((i % 2 + 2))" spawn probe.counter --name "k/$i" '{}'
done
check "a load starts" started n1 spawn probe.load --name load '{"prefix":"k","count":3}'
check "requests flow" await 60 acknowledged 100
at n1 health --ready -o json
check "health knows of the certificate" json "any(c['check'] == 'certificate' and c['ok'] for c in j['checks'])"

# ---- clients ----

mkdir admin
cp troupe-ca/client-admin.pem troupe-ca/client-admin.key troupe-ca/ca.pem admin/
cd admin || exit 70
troupe call k/1 probe.get '{}' --tls-cert client-admin.pem --tls-key client-admin.key --tls-ca ca.pem >"$work/out" 2>"$work/err"
check "a client with a certificate is answered" prints 'probe.total'
ran troupe call k/1 probe.get '{}' --tls-cert client-admin.pem --tls-key client-admin.key
check "a certificate alone is not enough" fails_as 64 1001 'come together'
ran troupe call k/1 probe.get '{}' --tls-cert ../n1.d/node-n1.pem --tls-key ../n1.d/node-n1.key --tls-ca ca.pem
check "a node's certificate makes no client" fails_as 78 1003 'TLS certificate'
quietly troupe ca init bank --ca-dir other
quietly troupe ca issue client admin --ca-dir other
ran troupe call k/1 probe.get '{}' --tls-cert other/client-admin.pem --tls-key other/client-admin.key --tls-ca other/ca.pem
check "another authority's client is refused, with the reason" fails_as 77 3003 'no TLS with node'
cd "$work" || exit 70

# ---- nodes that have no right to be here ----

ends_with() { # NAME STATUS
  local got=0
  wait "${pids[$1]}" || got=$?
  unset "pids[$1]"
  [ "$got" = "$2" ] || { echo "    it ended with $got, not $2"; cat "$work/$1.log"; return 1; }
}

give_certificate x
give_authorities x
start_node x --tls-cert n1.d/node-n1.pem --tls-key n1.d/node-n1.key
check "a node with the certificate of another does not start" ends_with x 78
check "and says whose it is" has_lines x 1 'the certificate of node n1, and this is node x'
chmod 644 x.d/node-x.key
start_node x
check "a node whose key others can read does not start" ends_with x 78
check "and names the file" has_lines x 1 'x.d/node-x.key: other users can read'
quietly troupe ca issue node x --ca-dir admin/other
start_node x --tls-cert admin/other/node-x.pem --tls-key admin/other/node-x.key --tls-ca admin/other/ca.pem
# Whoever dials looks first, so n1 says it by itself or was told.
check "a node of another authority is refused" await 60 grep -Eq 'refused.*(local issuer|unknown ca)' "$work/n1.log"
check "it hears of that too" await 60 has_lines x 1 'refused'
kill -KILL "${pids[x]}" && wait "${pids[x]}" 2>/dev/null
check "requests go on beside it" goes_on

# ---- new certificates, then a new authority ----

for name in n1 n2 n3; do
  quietly troupe ca issue node $name --force
  give_certificate $name
done
after_step "new certificates"
printf 'no certificate\n' >n1.d/node-n1.pem
kill -HUP "${pids[n1]}"
check "a broken file is named" await 30 has_lines n1 1 'n1.d/node-n1.pem: there is no certificate in it'
check "and what was there stays" has_lines n1 1 'stay as they were'
check "also for new connections" break_connections
give_certificate n1

troupe ca rotate >"$work/out" 2>"$work/err"
check "a new authority is made" [ "$(grep -c BEGIN troupe-ca/ca.pem)" = 2 ]
ran troupe ca rotate
check "one after the other" fails_as 78 1003 'from before already'
for name in n1 n2 n3; do give_authorities $name; done
after_step "both authorities are trusted"
for name in n1 n2; do
  troupe ca issue node $name --force >"$work/out" 2>"$work/err"
  give_certificate $name
done
after_step "some certificates are of the new authority"
quietly troupe ca issue node n3 --force
give_certificate n3
after_step "all certificates are of the new authority"
troupe ca rotate --finish >"$work/out" 2>"$work/err"
check "the old one is dropped" [ "$(grep -c BEGIN troupe-ca/ca.pem)" = 1 ]
for name in n1 n2 n3; do give_authorities $name; done
after_step "the new authority alone is trusted"
ran troupe call k/1 probe.get '{}' --tls-cert admin/client-admin.pem --tls-key admin/client-admin.key --tls-ca troupe-ca/ca.pem
check "a certificate of the old one is refused now" ended_with 78

# ---- what was sent has arrived ----

at n1 call load probe.halt '{}'
check "the load halts" ended_with 0
check "every request has an answer" await 30 quiet
sent=$(($(tally acknowledged) + $(tally unknown)))
check "none was refused" [ "$(tally refused)" = 0 ]
echo "    sent $sent, $(tally unknown) of them answered late, counted $(total)"
check "each request has arrived once" await 30 totals_are "$sent"
for name in n1 n2 n3; do check "$name has lost no session" has_no_line $name 'lost, reason'; done

# ---- death ----

check "an actor on n3" started n3 spawn probe.target --name t '{}'
check "one on n1 that watches" started n1 spawn probe.watcher --name w '{}'
check "it does" started n1 send w probe.watch '{"name":"t","link":true,"monitor":true}'
quietly troupe call w probe.look '{}' --admin "$work/n1.sock"
has_seen() { quietly at n1 call w probe.look '{}' && grep -q "$1" "$work/out"; }
kill -KILL "${pids[n3]}" && wait "${pids[n3]}" 2>/dev/null
check "kill -9 is seen over TLS as without: the link" await 30 has_seen 'EXIT noconnection'
check "and the monitor" await 30 has_seen 'DOWN noconnection'
at n1 call k/0 probe.get '{}'
check "the others go on" ended_with 0
finish
