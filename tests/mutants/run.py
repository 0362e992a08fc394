#!/usr/bin/env python3
"""Plants faults in the library one by one and counts how many the tests of recurrent stacks notice (planting.py).

    run.py --check                 every fault still finds its text; quick, run by ctest
    run.py [--work DIR] [--only WORD] [--jobs N]

Built by g++ with one instruction set, at -O1.
"""
import sys

sys.dont_write_bytecode = True
import planting
from faults import FAULTS

FOLDERS = ["include", "host", "tests/support", "tests/rnn", "tests/fixtures"]
SOURCES = ["host/reference/*.cpp", "host/scheduler/*.cpp", "host/files/*.cpp", "host/cpu/*.cpp", "host/cpu/ops/*.cpp",
           "host/cpu/isa/*.cpp", "host/model/device.cpp", "tests/support/*.cpp", "tests/rnn/*.cpp"]
# What kills most comes first; then everything else.
NEAR = [["GradientsTest.SingleLayers:GradientsTest.Stacks:GradientsTest.SaturatedGates:RnnPartsTest.*:"
         "ObservedTest.*:RecurrentClipTest.*:RnnErrorsTest.*:RnnDropoutTest.*:IdentitiesTest.*:Precisions/DeterminismTest.*"]]
RUNS = [["*-*InSingle:RnnThreadsTest.*"]]

if __name__ == "__main__":
    sys.exit(planting.main(planting.arguments_for(__doc__).parse_args(), FAULTS, lambda fault: NEAR, RUNS,
                           folders=FOLDERS, sources=SOURCES, flags=["-Iinclude", "-Ihost", "-Itests"],
                           libraries=["-lgtest", "-lgtest_main", "-lpthread"]))
