#!/usr/bin/env bash
# Puts beside the sources, in .carry/, what a machine with a GPU but no packages and no network may lack:
# cmake/gpu_report.py takes it from there. To be run where these things are installed (cmake/setup.sh check).
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p .carry/prefix/include .carry/prefix/share/cmake
take() {  # take FROM TO
    if [ ! -e "$1" ]; then echo "carry: there is no $1" >&2; exit 1; fi
    rm -rf ".carry/$2"
    cp -r "$1" ".carry/$2"
}
take /usr/src/googletest googletest
take /usr/include/nlohmann prefix/include/nlohmann
take /usr/share/cmake/nlohmann_json prefix/share/cmake/nlohmann_json
take /usr/include/CLI prefix/include/CLI
take /usr/share/cmake/CLI11 prefix/share/cmake/CLI11
take /usr/include/fmt prefix/include/fmt
git describe --always --dirty --exclude='*' > .carry/commit
du -sh .carry
