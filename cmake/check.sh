#!/usr/bin/env bash
# Everything that is checked before a change goes in, on any machine: cmake/check.sh
# With --long, the emulated kernels under the thread sanitizer too, which takes five minutes more.
#
# Legs run in the order below; the first that fails ends the run. Each has a time budget, in seconds, for two cores and
# an empty compiler cache; the sum, 25 minutes, is what a whole run may take. A leg that passes but outgrows its budget
# is named at the end of the leg: make it smaller, do not raise the number.
set -euo pipefail
cd "$(dirname "$0")/.."

long=OFF
for word in "$@"; do
    case "$word" in
        --long) long=ON ;;
        *) echo "check.sh: $word is not known; there is --long" >&2; exit 2 ;;
    esac
done

cores="$(nproc 2> /dev/null || echo 2)"
export CTEST_PARALLEL_LEVEL="$cores"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"

leg() {  # leg BUDGET TITLE FUNCTION
    local budget="$1" title="$2" began=$SECONDS
    printf '\n==== %s (budget %d s)\n' "$title" "$budget"
    "$3"
    local took=$((SECONDS - began))
    printf '==== %s: passed in %d s\n' "$title" "$took"
    if [ "$took" -gt "$budget" ]; then printf '==== %s: OVER BUDGET by %d s\n' "$title" $((took - budget)); fi
}

skip() { printf '\n==== %s: SKIPPED: %s\n' "$1" "$2"; }

# Several sources a compiler run: most of a small one's time are its headers.
together=(-DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=8)
configure() {  # configure PRESET OPTION...
    cmake --preset "$@" > "build/$1.configure.log" 2>&1 || { cat "build/$1.configure.log"; return 1; }
    grep -E '^-- (CUDA|Program|Benchmarks|Examples|GoogleTest|lane):' "build/$1.configure.log" || true
}

setup() { cmake/setup.sh check; }

# Another version lays some lines out differently, so that only this one can judge.
clang_format() {
    local name
    for name in clang-format-14 clang-format; do
        if command -v "$name" > /dev/null && "$name" --version | grep -q 'version 14\.'; then echo "$name"; return; fi
    done
}
format() { git ls-files -z '*.hpp' '*.cpp' '*.cuh' '*.cu' | xargs -0 -r "$(clang_format)" --dry-run -Werror; }

build_cpu() {
    configure cpu "${together[@]}"
    cmake --build build/cpu
}

# The suite is the CPU leg's: here it is enough that nvcc accepts everything, and that it links. One architecture, since
# each costs a minute; a build makes sm_80 too. One instruction set of the CPU, likewise.
build_cuda() {
    configure cuda "${together[@]}" -DCMAKE_CUDA_ARCHITECTURES=90a-real "-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DNDEBUG" \
        -DRONDO_CPU_SETS=OFF
    cmake --build build/cuda --target rondo_cuda_parts
    # Kernels that use every register, and one that lives on wide loads: the machine code would tell, no test here.
    cmake/kernel_resources.py kernels/persistent/loops_bf16.cu kernels/few_rows.cu
}

# Left out is what reads and writes as others do, in another type or on more threads.
asan() {
    configure asan "${together[@]}"
    cmake --build build/asan
    ctest --test-dir build/asan --output-on-failure -LE 'slow|gpu' \
        -E 'InSingle|AnyNumberOfThreads|NetworksHaveTheirGradients|SubwordsAreCut'
}

# Only what runs threads: the rest is single-threaded and would be checked at a thirtieth of its speed for nothing.
# Some kernels place memory where this sanitizer does not expect it, unless told not to randomise.
tsan() {
    local fixed=()
    if setarch -R true 2> /dev/null; then fixed=(setarch -R); fi
    configure tsan "${together[@]}" -DRONDO_LANE="$long"
    "${fixed[@]}" cmake --build build/tsan --target rondo_thread_tests
    "${fixed[@]}" ctest --test-dir build/tsan --output-on-failure -L threads --no-tests=error
}

mkdir -p build
leg 60 "set up" setup
if [ -n "$(clang_format)" ]; then
    leg 10 "format" format
else
    skip "format" "there is no clang-format 14"
fi
leg 380 "build, CPU only, warnings are errors" build_cpu
if command -v nvcc > /dev/null; then
    leg 230 "build, CUDA" build_cuda
else
    skip "build, CUDA" "there is no nvcc"
fi
leg 530 "address and undefined-behaviour sanitizers" asan
leg 120 "thread sanitizer" tsan

# Last and by itself, so that what is printed ends with ctest's own account. Its budget is 250 s.
printf '\n==== test suite (budget 250 s); so far %d s\n' "$SECONDS"
ctest --test-dir build/cpu --output-on-failure --no-tests=error
