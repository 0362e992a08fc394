#!/usr/bin/env python3
"""Plants faults in the kernels and in host/cuda one by one and counts how many the lane's tests notice (planting.py).

    run_lane.py --check            every fault still finds its text; quick, run by ctest
    run_lane.py [--work DIR] [--only WORD] [--jobs N] [--cuda FOLDER_OF_HEADERS]

Built by g++ at -O1, with the emulator in place of a GPU.
"""
import sys

sys.dont_write_bytecode = True
import planting
from lane_faults import FAULTS

FOLDERS = ["include", "host", "kernels", "tests/support", "tests/cuda", "tests/lane"]
# Of the tests' support, no reader of files, and so not the fixtures.
SOURCES = [*(f"kernels/{folder}*.cu" for folder in ("", "attention/", "pointwise/", "scan/", "persistent/")),
           "host/cuda/*.cpp", "host/reference/*.cpp", "host/scheduler/*.cpp", "host/cpu/*.cpp", "host/cpu/ops/*.cpp", "host/cpu/isa/*.cpp",
           "host/files/*.cpp", "host/model/[!v]*.cpp", "host/model/values.cpp", "host/model/modules/*.cpp",
           "host/train/*.cpp", "tests/support/[!f]*.cpp", "tests/cuda/*.cpp", "tests/lane/emulator/*.cpp",
           "tests/lane/standin/*.cpp", "tests/lane/engine/*.cpp", "tests/lane/support/main.cpp"]
FLAGS = ["-fno-strict-aliasing", "-DRONDO_HAVE_CUDA=1", "-Iinclude", "-Ihost", "-Ikernels", "-Itests"]
# The tests beside what a fault changes: those of the first line that the path begins with.
BESIDE = [("kernels/attention/", "CudaAttentionGpu.*"), ("kernels/additive_attention", "CudaAdditiveAttentionGpu.*"),
          ("kernels/ctc", "CudaCtcGpu.*"), ("kernels/sample", "CudaSampleGpu.*"),
          ("kernels/copy_all", "CudaOperationsGpu.*"), ("kernels/few_rows", "CudaProductsGpu.*:CudaOrdersGpu.*"),
          ("kernels/check_lengths", "CudaLengthsGpu.*"),
          *((f"kernels/{module}", "CudaModulesGpu.*")
            for module in ("map_", "sum_rows", "pool", "activation", "layer_norm", "loop", "copy_", "draw_",
                           "candidate_", "scale_", "advance")),
          *((f"kernels/{loop}/", "CudaGradientsGpu.EdgeExtents:CudaGradientsGpu.SeveralBlocks:CudaStreamsGpu.*:"
            "CudaOutputsGpu.*")
            for loop in ("pointwise", "scan")),
          ("kernels/persistent/", "CudaLoop*"),
          ("host/cuda/whole_loop", "CudaLoop*"),
          ("host/scheduler/forward", "CudaLoopExchangesGpu.*:CudaOrdersGpu.*"),
          ("kernels/", "CudaOperationsGpu.*"),
          ("host/cuda/operations", "CudaOperationsGpu.*"),
          ("host/cuda/modules", "CudaModulesGpu.*:CudaAttentionGpu.*:CudaModelsGpu.*"),
          ("host/cuda/matmul", "CudaProductsGpu.*:CudaErrorsGpu.*:CudaStreamsGpu.*:CudaOrdersGpu.*"),
          ("host/cuda/", "CudaErrorsGpu.*:CudaDevicesGpu.*:CudaStreamsGpu.*:CudaLengthsGpu.*:CudaOrdersGpu.*:Lane*"),
          ("host/train/generator", "CudaGeneratorGpu.*:LaneGenerator.*"),
          ("host/train/", "CudaTrainingGpu.*:LaneTraining.*"),
          ("host/scheduler/", "CudaOrdersGpu.*:CudaStreamsGpu.*:CudaLengthsGpu.*")]
# Then everything, as ctest runs it.
RUNS = [["*", f"--lane={schedule}"] for schedule in ("forward", "random:1", "reverse")]


def near(fault):
    changed = (fault[4] or [fault[1]])[0]
    tests = next(tests for path, tests in BESIDE if changed.startswith(path))
    return [[tests, "--lane=forward"], [tests, "--lane=random:1"]]


if __name__ == "__main__":
    parser = planting.arguments_for(__doc__)
    parser.add_argument("--cuda", default="/usr/local/cuda/include", help="folder of CUDA's headers")
    arguments = parser.parse_args()
    sys.exit(planting.main(arguments, FAULTS, near, RUNS, folders=FOLDERS, sources=SOURCES,
                           flags=[*FLAGS, "-isystem", arguments.cuda], libraries=["-lgtest", "-lpthread"]))
