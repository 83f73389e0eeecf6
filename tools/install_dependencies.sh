#!/bin/bash
# tools/install_dependencies.sh [SET]... - installs the Debian packages that are missing, and only those. The sets:
#
#   build  what compiles Troupe: a compiler and the libraries
#   run    build, and what `make demo` needs: a PostgreSQL server to run privately
#   test   run, and what `make test` needs beside it: test libraries, linters, a C++ compiler
#   bench  run, and the systems that `make bench` compares with
#   image  what the programs need when they are built: the libraries alone
#   psql   what examples/bank asks PostgreSQL with
#   compose  what tests/compose starts a container engine of its own with
#
# This is the only list of packages. Every run asks dpkg again, so a package that was removed is noticed;
# with nothing missing that takes a few hundredths of a second. As root it calls apt-get, otherwise sudo does;
# where neither works it prints the one line to run by hand and exits 69. It never touches a PostgreSQL
# cluster: the server package is installed without making its `main` cluster. Nor does a container engine of the system
# start because of it.
set -euo pipefail

# One wish a line: alternatives are tried in order, the first that Debian knows is installed.
# pkgconf, libmsgpack-c-dev and the unversioned names are Debian 13's side of a renaming.
build_packages='gcc libc6-dev make cmake
pkg-config|pkgconf libpq-dev libuv1-dev libcjson-dev libssl-dev libzstd-dev'
run_packages='python3|python3-minimal postgresql-15|postgresql-17|postgresql util-linux'
test_packages='libcmocka-dev libmsgpack-dev|libmsgpack-c-dev g++ spin
clang-format-14|clang-format clang-tidy-14|clang-tidy cppcheck shellcheck clang libclang-rt-dev iproute2 iptables'
bench_packages='erlang-base erlang-ssl libcaf-dev libzmq3-dev g++'
image_packages='libpq5 libuv1|libuv1t64 libcjson1 libssl3|libssl3t64 libzstd1'
psql_packages='postgresql-client-15|postgresql-client-17|postgresql-client'
compose_packages='docker.io docker-cli|docker.io docker-compose iptables iproute2 mmdebstrap'

start=$(date +%s)
say() { printf 'dependencies: %s (%d s)\n' "$1" $(($(date +%s) - start)); }

wanted() {
  local set
  for set in "$@"; do
    case $set in
      build) echo "$build_packages" ;;
      run) echo "$build_packages $run_packages" ;;
      test) echo "$build_packages $run_packages $test_packages" ;;
      bench) echo "$build_packages $run_packages $bench_packages" ;;
      image) echo "$image_packages" ;;
      psql) echo "$psql_packages" ;;
      compose) echo "$compose_packages" ;;
      *) echo "install_dependencies: no such set: $set (build, run, test, bench, image, psql, compose)" >&2; exit 64 ;;
    esac
  done
}

# Any PostgreSQL server from 15 on will do, whichever package it came from.
server_present() {
  local binary version
  for binary in /usr/lib/postgresql/*/bin/postgres; do
    version=${binary#/usr/lib/postgresql/}; version=${version%%/*}
    if [ -x "$binary" ] && [ "${version%%.*}" -ge 15 ]; then return 0; fi
  done
  return 1
}

# Answers the wishes of which no alternative is installed.
missing() {
  local wish name names
  local -A installed=()
  names=$(tr '|' ' ' <<<"$*")
  # shellcheck disable=SC2086 # the names are words
  names=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null | sed -n 's/^installed //p')
  for name in $names; do installed[$name]=1; done
  for wish in "$@"; do
    case $wish in
      postgresql-*) if server_present; then continue; fi ;;
      gcc) if command -v cc >/dev/null; then continue; fi ;;
      docker.io) if command -v dockerd >/dev/null; then continue; fi ;;
      docker-cli*) if command -v docker >/dev/null; then continue; fi ;;
      make | cmake | g++ | python3* | docker-compose | iptables | mmdebstrap) if command -v "${wish%%|*}" >/dev/null; then continue; fi ;;
    esac
    for name in ${wish//|/ }; do
      if [ -n "${installed[$name]:-}" ]; then continue 2; fi
    done
    echo "$wish"
  done
}

# Answers one package for each wish: the first alternative that apt can install.
choose() {
  local wish name known
  for wish in "$@"; do
    known=
    for name in ${wish//|/ }; do
      if apt-cache show --no-all-versions "$name" >/dev/null 2>&1; then known=$name; break; fi
    done
    if [ -z "$known" ]; then return 1; fi
    echo "$known"
  done
}

apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1; }

install() { apt install -y --no-install-recommends "$@"; }

# Debian's server package makes and starts a cluster called main unless this file says no. We write it only where
# the package has never been, and put Debian's own text in its place afterwards.
conf=/etc/postgresql-common/createcluster.conf
template=/usr/share/postgresql-common/createcluster.conf
refuse_main_cluster() {
  if [ -e "$conf" ] || dpkg-query -W postgresql-common >/dev/null 2>&1; then return; fi
  "${root[@]}" mkdir -p "${conf%/*}"
  echo 'create_main_cluster = false' | "${root[@]}" tee "$conf" >/dev/null
  wrote_conf=1
}
restore_conf() {
  if [ "$wrote_conf" = 1 ]; then
    if [ -e "$template" ]; then "${root[@]}" cp "$template" "$conf"; else "${root[@]}" rm -f "$conf"; fi
    "${root[@]}" rm -f "$conf.ucf-dist"
  fi
}

# Debian's packages start the services that they bring unless this program says no.
policy=/usr/sbin/policy-rc.d
refuse_services() {
  if [ -e "$policy" ]; then return; fi
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
  wrote_policy=1
}
restore_policy() { if [ "$wrote_policy" = 1 ]; then "${root[@]}" rm -f "$policy"; fi; }

if [ $# -eq 0 ]; then set -- run; fi
words=$(wanted "$@" | tr -s ' ' '\n' | sort -u)
# shellcheck disable=SC2086 # the list is words
wishes=$(missing $words)
if [ -z "$wishes" ]; then exit 0; fi
# shellcheck disable=SC2086
set -- $wishes

root=()
if [ "$(id -u)" != 0 ]; then
  root=(sudo -n)
  if ! sudo -n true 2>/dev/null; then
    if [ -t 0 ] && command -v sudo >/dev/null; then
      root=(sudo)
    else
      by_hand=$(choose "$@") || by_hand=${*%%|*}
      echo "install_dependencies: packages are missing; as root, run:" >&2
      echo "  apt-get update && apt-get install -y --no-install-recommends ${by_hand//$'\n'/ }" >&2
      exit 69
    fi
  fi
fi

log=$(mktemp)
wrote_conf=0 wrote_policy=0
trap 'restore_conf; restore_policy; rm -f "$log"' EXIT
if ! packages=$(choose "$@"); then
  apt update || true
  say 'package lists read'
  if ! packages=$(choose "$@"); then
    echo "install_dependencies: Debian does not know one of: $*" >&2
    exit 69
  fi
fi
refuse_main_cluster
case " $* " in *' docker.io '*) refuse_services ;; esac
say "installing ${packages//$'\n'/ }"
# shellcheck disable=SC2086
if ! install $packages; then
  # Old lists name files that the mirror no longer has: read them again, once.
  apt update || true
  # shellcheck disable=SC2086
  if ! install $packages; then
    cat "$log" >&2
    echo "install_dependencies: apt-get could not install ${packages//$'\n'/ }" >&2
    exit 69
  fi
fi
say 'installed'
