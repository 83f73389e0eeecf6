#!/bin/bash
# tests/cli/config.sh BUILD_DIR - trouped without a cluster: its settings, and how it says no.
set -uo pipefail
build=$(realpath "${1:?usage: tests/cli/config.sh BUILD_DIR}")
# shellcheck source=tests/cli/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
trap 'kill "${patient:-}" 2>/dev/null; rm -rf "$work"' EXIT

conf=$work/trouped.conf
(umask 077; printf '%064d\n' 7 >"$work/secret")

# This one takes its time, so it runs beside the others.
trouped --config /dev/null --name n1 --db "host=$work/nobody" --secret-file "$work/secret" 2>"$work/patient" </dev/null &
patient=$!

ran trouped --version
check "--version prints the version" prints '^trouped [0-9]+\.[0-9]+'
ran trouped --help
check "--help lists every setting as a flag" prints '--lease-ttl TIME'

printf 'name = n1\nlease_ttl = 3s\n' >"$conf"
TROUPE_HEARTBEAT=200ms ran trouped --config "$conf" --silence 2s --print-config
check "--print-config shows a value of the file with its line" prints "^lease_ttl = 3s +# $conf:2\$"
check "--print-config shows a variable" prints '^heartbeat = 200ms +# TROUPE_HEARTBEAT$'
check "--print-config shows a flag" prints '^silence = 2s +# --silence$'
check "--print-config shows a default" prints '^resume_window = 3s +# default$'
printf 'host=h user=u password=canary-4711\n' >"$work/db"
chmod 644 "$work/db"
TROUPE_DB_FILE=$work/db ran trouped --config "$conf" --print-config
check "a file with a password that all can read is refused" fails_as 78 1004 "$work/db"
check "without showing it" hides canary
TROUPE_DB_FILE=$work/db ran troupe node list
check "by the command too" fails_as 78 1004 "$work/db"
printf 'name = n1\ndb = \x27host=h password=canary-4711\x27\n' >"$work/open.conf"
chmod 644 "$work/open.conf"
ran trouped --config "$work/open.conf" --check-config
check "so is a configuration file with one" fails_as 78 1004 "$work/open.conf"
check "without showing that" hides canary
chmod 400 "$work/db" # as a volume of secrets has it
TROUPE_DB_FILE=$work/db ran trouped --config "$conf" --print-config
check "--print-config says where a secret comes from" prints '^db = .*TROUPE_DB_FILE'
check "--print-config shows no password" hides canary

ran trouped --config "$conf" --check-config
check "--check-config is content with good settings" ended_with 0
printf 'name = n1\nheartbeet = 3s\n' >"$conf"
ran trouped --config "$conf" --check-config
check "--check-config names the line of an unknown setting" fails_as 78 1003 "$conf:2: unknown setting .heartbeet"
printf 'name = n1\n\nlease_ttl = soon\n' >"$conf"
ran trouped --config "$conf" --check-config
check "--check-config names the line of a wrong value" fails_as 78 1003 "$conf:3: lease_ttl = .soon. is not valid"
ran trouped --config "$work/none" --check-config
check "a configuration file that is not there is refused" fails_as 78 1003 "$work/none"
ran trouped --config /dev/null --name n1 --listen 0.0.0.0:0 --check-config
check "without a secret only loopback is listened on" fails_as 78 1003 'listen = .0.0.0.0:0'
ran trouped --config /dev/null --name n1 --secret-file "$work/secret" --listen 0.0.0.0:0 --advertise 0.0.0.0 --check-config
check "an address that nobody can dial is not advertised" fails_as 78 1003 'advertise = .0.0.0.0'
ran trouped --config /dev/null --name n1 --listen unix:/run/n1.peer --check-config
check "a unix socket needs no secret" ended_with 0
TROUPE_LISTEN=unix:/run/n1.peer TROUPE_LISTEN_MODE=0660 ran trouped --config /dev/null --name n1 --check-config
check "nor does one that variables name" ended_with 0
long=unix:/$(printf 'x%.0s' {1..107})
ran trouped --config /dev/null --name n1 --listen "$long" --check-config
check "a path that is too long is named" fails_as 78 1003 "$long"
check "with the limit" says '107 bytes'
ran trouped --config /dev/null --name n1 --listen unix:n1.peer --check-config
check "a relative path is refused" fails_as 78 1003 'listen = .unix:n1.peer'
ran trouped --config /dev/null --name n1 --listen unix:/run/n1.peer --listen-mode 0777 --check-config
check "a socket has a mode for sockets" fails_as 78 1003 'listen_mode = .0777'
ran trouped --config /dev/null --name n1 --listen unix:/run/n1.peer --advertise 10.0.0.1 --check-config
check "a unix socket cannot be advertised as a host" fails_as 78 1003 'advertise = .10.0.0.1'
ran trouped --config /dev/null --name n1 --listen 127.0.0.1:0 --advertise unix:/run/n1.peer --check-config
check "nor a host as a unix socket" fails_as 78 1003 'advertise = .unix:/run/n1.peer'
ran trouped --config /dev/null --name n1 --listen unix:/run/n1.peer --advertise unix:/shared/n1.peer --check-config
check "but as one under another path" ended_with 0
ran trouped --config /dev/null --name n1 --secret-file "$work/none" --check-config
check "a secret that is not there is refused" fails_as 78 1004 "$work/none"
(umask 077; printf short >"$work/short")
ran trouped --config /dev/null --name n1 --secret-file "$work/short" --check-config
check "a secret that is too short is refused" fails_as 78 1004 "$work/short"
install -m 644 "$work/secret" "$work/open"
ran trouped --config /dev/null --name n1 --secret-file "$work/open" --check-config
check "a secret that all can read is refused" fails_as 78 1004 "$work/open"
secrets=(--config /dev/null --name n1 --secret-file "$work/secret")
ran trouped "${secrets[@]}" --secret-accepted-file "$work/none" --check-config
check "an accepted secret need not be there" ended_with 0
TROUPE_SECRET_ACCEPTED_FILE=$work/secret ran trouped "${secrets[@]}" --print-config
check "--print-config says where it is" prints "^secret_accepted_file = .*$work/secret.*TROUPE_SECRET_ACCEPTED_FILE"
ran trouped "${secrets[@]}" --secret-accepted-file "$work/short" --check-config
check "but it is refused when it is too short" fails_as 78 1004 "$work/short"
ran trouped "${secrets[@]}" --secret-accepted-file "$work/open" --check-config
check "or when all can read it" fails_as 78 1004 "$work/open"
ran trouped --config /dev/null --name n1 --secret-accepted-file "$work/secret" --check-config
check "or when there is none to use" fails_as 78 1003 'secret_accepted_file'
ran trouped --config /dev/null --name n1 --module "$work/none.so" --check-config
check "a module that is not there is refused" fails_as 78 1005 "$work/none.so"
install -m 666 /dev/null "$work/evil.so"
ran trouped --config /dev/null --name n1 --module "$work/evil.so" --check-config
check "a module that all can change is refused" fails_as 78 1005 "$work/evil.so"
# Certificates: those of n1, those of another authority, and what is broken.
(cd "$work" && troupe ca init bank && troupe ca issue node n1 && troupe ca issue node n2 && troupe ca issue client admin &&
  troupe ca init other --ca-dir "$work/other" && troupe ca issue node n1 --ca-dir "$work/other") >"$work/out" 2>"$work/err"
check "there are certificates" [ $? -eq 0 ]
ca=$work/troupe-ca
tls_check() { # CERT KEY CA
  ran trouped --config /dev/null --name n1 --tls-cert "$1" --tls-key "$2" --tls-ca "$3" --check-config
}
refuses_tls() { # FILE WORDS
  fails_as 78 1003 'of no use for node n1' && says "DETAIL: $1: .*$2"
}
tls_check "$ca/node-n1.pem" "$ca/node-n1.key" "$ca/ca.pem"
check "--check-config reads the certificate" prints "certificate $ca/node-n1.pem is valid for 36[45] days"
check "and is content with it" prints 'the settings are good'
tls_check "$work/none.pem" "$ca/node-n1.key" "$ca/ca.pem"
check "a certificate that is not there is refused" refuses_tls "$work/none.pem" 'No such file'
tls_check "$ca/node-n1.pem" "$work/none.key" "$ca/ca.pem"
check "so is a key" refuses_tls "$work/none.key" 'No such file'
tls_check "$ca/node-n1.pem" "$ca/node-n1.key" "$work/none.pem"
check "so are authorities" refuses_tls "$work/none.pem" 'No such file'
tls_check "$ca/node-n1.pem" "$ca/node-n2.key" "$ca/ca.pem"
check "a key of another certificate is refused" refuses_tls "$ca/node-n2.key" "not the key of the certificate in $ca/node-n1.pem"
tls_check "$ca/node-n2.pem" "$ca/node-n2.key" "$ca/ca.pem"
check "the certificate of another node is refused" refuses_tls "$ca/node-n2.pem" 'certificate of node n2, and this is node n1'
tls_check "$ca/client-admin.pem" "$ca/client-admin.key" "$ca/ca.pem"
check "so is a client's" refuses_tls "$ca/client-admin.pem" 'certificate of client admin'
tls_check "$ca/node-n1.pem" "$ca/node-n1.key" "$work/other/ca.pem"
check "a certificate of another authority is refused" refuses_tls "$ca/node-n1.pem" 'local issuer certificate'
printf 'nonsense\n' >"$work/broken.pem"
tls_check "$work/broken.pem" "$ca/node-n1.key" "$ca/ca.pem"
check "a certificate that is none is refused" refuses_tls "$work/broken.pem" 'no certificate in it'
tls_check "$ca/node-n1.pem" "$ca/node-n1.key" "$work/broken.pem"
check "authorities that are none are refused" refuses_tls "$work/broken.pem" 'no certificate in it'
install -m 644 "$ca/node-n1.key" "$work/open.key"
tls_check "$ca/node-n1.pem" "$work/open.key" "$ca/ca.pem"
check "a key that all can read is refused" refuses_tls "$work/open.key" ''
ran trouped --config /dev/null --name n1 --tls-cert "$ca/node-n1.pem" --check-config
check "a certificate without a key is refused" fails_as 78 1003 'come together'

ran trouped --nonsense
check "an unknown flag is refused" fails_as 64 1001 '--nonsense'
ran trouped --db 'host=h password=canary-4711' --check-config
check "a password on the command line is refused" fails_as 64 1001 password
check "a password on the command line is not printed" hides canary

trouped --config /dev/null --name n1 --db "host=$work/nobody" --log-format logfmt 2>"$work/err" </dev/null &
pid=$!
check "no PostgreSQL is said at once, while it is tried again" await 10 grep -q 'level=warning .*no connection' "$work/err"
kill "$pid"
wait "$pid"
wait "$patient"
status=$?
cp "$work/patient" "$work/err"
check "no PostgreSQL ends it with 69, after 30 s" ended_with 69
check "no PostgreSQL is a JSON line in the log" says '^\{"ts":".*"code":"TRP-2001"'
finish
