#!/bin/bash
# tests/package/run.sh - installs the release build into a fresh prefix and uses it as a stranger would.
#
# Prints `ok NAME` or `not ok NAME` for each thing tried, with the output of what failed. Needs build/release.
# shellcheck disable=SC2317 # the functions are called by check
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
work=$(mktemp -d /tmp/troupe-package.XXXXXX)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
failed=0

check() { # NAME COMMAND...: the command must end with 0
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok $name"
  else
    echo "not ok $name"
    sed 's/^/    /' "$work/log"
    failed=1
  fi
}

install_it() { cmake --install build/release --prefix "$work/first" && mv "$work/first" "$prefix"; }

# The prefix is moved after the installation: nothing in it may remember where it was.
nothing_remembers() { ! grep -rIl --exclude-dir=examples -e "$work/first" -e "$top" "$prefix"; }

files_are() {
  (cd "$prefix" && find . -type f -o -type l) | sed 's,^\./,,; /^share\/doc\/troupe\/examples\//d' | sort >"$work/have"
  {
    (cd runtime && find include/troupe -name '*.h')
    printf '%s\n' bin/troupe bin/trouped lib/libtroupe.a lib/libtroupe.so lib/libtroupe.so.0 lib/libtroupe.so.0.1.0 \
      lib/pkgconfig/troupe.pc lib/cmake/troupe/troupe{Config,ConfigVersion,Targets,Targets-relwithdebinfo}.cmake \
      lib/cmake/troupe/troupeStaticTargets{,-relwithdebinfo}.cmake
  } | sort >"$work/want"
  diff "$work/want" "$work/have"
}

exports_only_troupe() {
  local names
  names=$(nm -D --defined-only "$prefix/lib/libtroupe.so" | awk '{print $3}' | sed 's/@.*//')
  grep -q '^troupe_node_start$' <<<"$names" || { echo 'troupe_node_start is not exported'; return 1; }
  ! echo "$names" | grep -v -e '^troupe_' -e '^TROUPE_'
}

# Every function that a public header declares is in the library.
declared_is_exported() {
  nm -D --defined-only "$prefix/lib/libtroupe.so" | awk '{print $3}' | sed 's/@.*//' | sort -u >"$work/exported"
  echo '#include <troupe/troupe.h>' | cc -E -P -I"$prefix/include" -xc - | tr '\n' ' ' |
    grep -oE 'visibility\("default"\)\)\) [^;{=]*' | grep -oE '\btroupe_[a-z0-9_]+ *(\(|$)' | grep -oE 'troupe_[a-z0-9_]+' |
    sort -u >"$work/declared"
  [ "$(wc -l <"$work/declared")" -gt 40 ] && [ -z "$(comm -23 "$work/declared" "$work/exported" | tee /dev/stderr)" ]
}

hardened() {
  local file seen
  for file in "$prefix"/bin/troupe "$prefix"/bin/trouped "$prefix"/lib/libtroupe.so; do
    seen=$(readelf -hlds -W "$file")
    grep -q 'Type: *DYN' <<<"$seen" || { echo "$file: not position independent"; return 1; }
    grep -q 'BIND_NOW\|Flags: NOW' <<<"$seen" || { echo "$file: symbols are bound late"; return 1; }
    grep -q 'GNU_RELRO' <<<"$seen" || { echo "$file: no relro"; return 1; }
    if grep -q 'GNU_STACK.*RWE' <<<"$seen"; then echo "$file: executable stack"; return 1; fi
    grep -q '__stack_chk_fail' <<<"$seen" || { echo "$file: no stack protector"; return 1; }
    grep -q '_chk@GLIBC' <<<"$seen" || { echo "$file: not fortified"; return 1; }
  done
}

prints_expected() { "$@" | diff "$top/examples/counter/expected.txt" -; }

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
counter=$prefix/share/doc/troupe/examples/counter

by_pkg_config() {
  local flags
  flags=$(pkg-config --cflags --libs troupe) || return 1
  # shellcheck disable=SC2086 # the flags are words
  cc -std=c17 -Wall -Wextra -Wpedantic -Werror "$counter/counter.c" $flags -o "$work/counter1" &&
    LD_LIBRARY_PATH=$prefix/lib prints_expected "$work/counter1"
}

by_its_makefile() {
  cp -r "$counter" "$work/make" && make -C "$work/make" && LD_LIBRARY_PATH=$prefix/lib prints_expected "$work/make/counter"
}

by_pkg_config_static() {
  local flags
  flags=$(pkg-config --static --cflags --libs troupe | sed 's,-ltroupe,-l:libtroupe.a,') || return 1
  # shellcheck disable=SC2086
  cc -std=c17 "$counter/counter.c" $flags -o "$work/counter2" && prints_expected "$work/counter2"
}

by_find_package() {
  cmake -S "$counter" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" && cmake --build "$work/cmake" &&
    prints_expected "$work/cmake/counter"
}

by_find_package_static() {
  mkdir "$work/static" && cat >"$work/static/CMakeLists.txt" <<'END' &&
cmake_minimum_required(VERSION 3.21)
project(counter LANGUAGES C)
find_package(troupe 0.1 REQUIRED COMPONENTS static)
add_executable(counter ${COUNTER}/counter.c)
target_link_libraries(counter PRIVATE troupe::troupe_static)
END
    cmake -S "$work/static" -B "$work/static/build" -DCMAKE_PREFIX_PATH="$prefix" -DCOUNTER="$counter" &&
    cmake --build "$work/static/build" && prints_expected "$work/static/build/counter"
}

refuses_another_version() {
  sed 's/troupe 0.1 /troupe 0.2 /' "$counter/CMakeLists.txt" >"$work/CMakeLists.txt" && cp "$counter/counter.c" "$work" &&
    ! cmake -S "$work" -B "$work/other" -DCMAKE_PREFIX_PATH="$prefix"
}

# A C++ program sees the header, and calls and links what it declares; describing types needs C.
through_cxx() {
  cat >"$work/sees.cpp" <<'END'
#include <troupe/troupe.h>
int main()
{
    troupe_config config;
    troupe_config_init(&config);
    troupe_node *node = nullptr;
    const troupe_status status = troupe_node_start(&config, &node, nullptr, 0);
    if (status == TROUPE_OK) {
        troupe_node_stop(node, 5000);
    }
    return status == TROUPE_OK ? 0 : 1;
}
END
  local compiler flags
  flags=$(pkg-config --cflags --libs troupe) || return 1
  for compiler in g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    # shellcheck disable=SC2086
    "$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Werror "$work/sees.cpp" $flags -o "$work/sees" &&
      LD_LIBRARY_PATH=$prefix/lib "$work/sees" || return 1
  done
  command -v g++ || command -v clang++
}

header_in_c11() {
  echo '#include <troupe/troupe.h>' | cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" -fsyntax-only -xc -
}

short_enough() { [ "$(wc -l <examples/counter/counter.c)" -lt 60 ]; }

programs_start() {
  local name
  for name in troupe trouped; do
    grep -q '0\.1\.0' <<<"$("$prefix/bin/$name" --version)" || { echo "$name --version says no version"; return 1; }
  done
}

check 'the release build installs' install_it
check 'exactly the promised files are installed' files_are
check 'nothing installed remembers where it was built' nothing_remembers
check 'the shared library exports troupe_* and nothing else' exports_only_troupe
check 'every declared function is exported' declared_is_exported
check 'programs and library are hardened' hardened
check 'installed programs run from a moved prefix' programs_start
check 'the counter example has fewer than 60 lines' short_enough
check 'counter builds by pkg-config and runs' by_pkg_config
check 'counter builds by its Makefile and runs' by_its_makefile
check 'counter builds by pkg-config --static and runs' by_pkg_config_static
check 'counter builds by find_package and runs' by_find_package
check 'counter builds by find_package of the archive and runs' by_find_package_static
check 'find_package refuses another version' refuses_another_version
check 'the header compiles, links and runs in C++' through_cxx
check 'the header compiles in C11' header_in_c11
exit "$failed"
