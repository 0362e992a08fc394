#!/usr/bin/env bash
# Builds Rondo, trains a small character model on its own source code for about a minute, and lets it write some:
# cmake/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/setup.sh demo

# The CUDA backend is not finished: the demo is the CPU's, whatever this machine has.
echo "demo: building for the CPU"
mkdir -p build
cmake --preset release -B build/demo -DRONDO_CUDA=OFF -DRONDO_BUILD_TESTS=OFF -DRONDO_BUILD_BENCH=OFF \
    -DRONDO_BUILD_EXAMPLES=OFF > build/demo.configure.log 2>&1 || { cat build/demo.configure.log; exit 1; }
cmake --build build/demo --target rondo_program

out=build/demo/run
mkdir -p "$out"
find include host tests -name '*.?pp' | sort | xargs cat > "$out/text.txt"

rondo=build/demo/bin/rondo
echo "demo: training on $(wc -c < "$out/text.txt") characters of source code, about a minute"
"$rondo" train --text "$out/text.txt" --out "$out" --overwrite --minutes 1 \
    --hidden 256 --layers 1 --batch 32 --window 64 --lr 0.004 --evaluation-batch 32
echo "demo: what the model writes:"
"$rondo" generate --checkpoint "$out" --prompt '#include ' --length 400
echo "demo: checkpoint, log and plot of the loss lie in $out"
