#!/bin/bash
# tools/build.sh PRESET [JOBS [TARGET...]] - configures and builds one preset of CMakePresets.json, quietly.
#
# Prints one line with the time it took, and the compiler's output only when something is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

# Called by make, it must not take part in that make's jobs: it has its own.
unset MAKEFLAGS MFLAGS MAKELEVEL

preset=${1:?usage: tools/build.sh PRESET [JOBS [TARGET...]]}
jobs=${2:-$(nproc)}
shift $(($# < 2 ? $# : 2))
targets=()
if [ $# -gt 0 ]; then targets=(--target "$@"); fi
start=$(date +%s)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if ! cmake --preset "$preset" >"$log" 2>&1 ||
  ! cmake --build "build/$preset" --parallel "$jobs" "${targets[@]}" >"$log" 2>&1; then
  grep -vE '^\[ *[0-9]+%\] |: (Entering|Leaving) directory' "$log" >&2
  echo "build: $preset failed ($(($(date +%s) - start)) s)" >&2
  exit 1
fi
echo "build: $preset, $(($(date +%s) - start)) s"
