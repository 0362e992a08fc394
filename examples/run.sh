#!/usr/bin/env bash
# Installs what is missing, builds one example and runs it: examples/run.sh NAME [--tiny | --large] [...]
set -euo pipefail
name="${1:?usage: examples/run.sh NAME [--tiny | --large | --help]}"
shift
root="$(cd "$(dirname "$0")/.." && pwd)"
build="$root/build/examples"
"$root/cmake/setup.sh" examples
mkdir -p "$build"
cmake -S "$root" -B "$build" -G Ninja -DRONDO_BUILD_EXAMPLES=ON -DRONDO_BUILD_PROGRAM=OFF -DRONDO_BUILD_TESTS=OFF \
    -DRONDO_BUILD_BENCH=OFF > "$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
cmake --build "$build" --target "example_$name"
exec "$build/bin/examples/$name" "$@"
