#!/usr/bin/env bash
# Installs what is missing on Debian and Ubuntu, and nothing when nothing is:
#   cmake/setup.sh demo      what building the library and the program takes
#   cmake/setup.sh examples  that, and what the examples take
#   cmake/setup.sh check     all of it, and what the checks take
# Everything is probed by use, not by package name, so that tools from elsewhere count as well.
set -euo pipefail

purpose="${1:-}"
case "$purpose" in
    demo | examples | check) ;;
    *) echo "usage: cmake/setup.sh demo|examples|check" >&2; exit 2 ;;
esac

missing=()   # Debian packages
optional=()  # those that not every release has, and that can be done without

need_command() {  # need_command PACKAGE COMMAND...: any of the commands will do
    local package="$1" name
    shift
    for name in "$@"; do
        if command -v "$name" > /dev/null; then return; fi
    done
    missing+=("$package")
}

has_header() { echo "#include <$1>" | "${CXX:-g++}" -std=c++20 -x c++ -E - > /dev/null 2>&1; }

need_header() {  # need_header PACKAGE HEADER
    has_header "$2" || missing+=("$1")
}

thread_sanitizer_links() {
    local out
    out="$(mktemp)"
    echo 'int main() {}' | clang++ -fsanitize=thread -x c++ - -o "$out" > /dev/null 2>&1
    local status=$?
    rm -f "$out"
    return $status
}

need_command g++ "${CXX:-g++}"
need_command cmake cmake
need_command ninja-build ninja ninja-build
need_command ccache ccache
need_command git git
need_header libcli11-dev CLI/CLI.hpp
need_header nlohmann-json3-dev nlohmann/json.hpp
need_header libfmt-dev fmt/core.h
if [ "$purpose" != demo ]; then
    command -v espeak-ng > /dev/null || optional+=(espeak-ng)
fi
if [ "$purpose" = check ]; then
    need_command gnuplot-nox gnuplot
    need_header libgtest-dev gtest/gtest.h
    need_header libbenchmark-dev benchmark/benchmark.h
    has_header sentencepiece_trainer.h || optional+=(libsentencepiece-dev)
    need_command pkg-config pkg-config
    need_command clang clang++
    thread_sanitizer_links || missing+=(libclang-rt-dev)
    command -v clang-format-14 > /dev/null || optional+=(clang-format-14)
fi

if [ ${#missing[@]} -eq 0 ] && [ ${#optional[@]} -eq 0 ]; then
    echo "setup: nothing is missing"
    exit 0
fi

echo "setup: missing: ${missing[*]} ${optional[*]}"
as_root=()
refusal=""
if ! command -v apt-get > /dev/null; then
    refusal="this is no Debian or Ubuntu; install what these packages hold by the means of this system"
elif [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    command -v sudo > /dev/null || refusal="neither root nor sudo: have them installed by 'apt-get install'"
fi
if [ -n "$refusal" ]; then
    echo "setup: $refusal" >&2
    if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
    exit 1
fi

"${as_root[@]}" apt-get -qq update || echo "setup: the package lists could not be renewed; trying those there are" >&2
for package in "${optional[@]}"; do
    if apt-cache show "$package" > /dev/null 2>&1; then missing+=("$package"); fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
echo "setup: installing by apt-get: ${missing[*]}"
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install "${missing[@]}" > /dev/null; then
    echo "setup: apt-get could not install: ${missing[*]}" >&2
    exit 1
fi
echo "setup: done"
