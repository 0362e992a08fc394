"""How the project is configured for the machine at hand."""
import os
import pathlib
import shutil
import subprocess


def architecture(machine):
    """CMake's name for the GPU. 90a and its like have instructions that 90 has not; without a GPU: an H100."""
    gpu = machine["gpu"]
    number = gpu["compute_cap"].replace(".", "") if gpu else "90"
    return f"{number}{'a' if int(number) >= 90 else ''}-real"


def can_build_program(source):
    """Whether the headers that the program needs beyond the library's are there, or carried."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or "g++"
    try:
        ran = subprocess.run([compiler, "-x", "c++", "-std=c++20", "-E", "-I", str(source / ".carry/prefix/include"),
                              "-"], input="#include <CLI/CLI.hpp>\n#include <fmt/format.h>\n", capture_output=True,
                             text=True)
    except OSError:
        return False
    return ran.returncode == 0


def configuration(source, build, machine):
    """The command that configures the build."""
    command = ["cmake", "-S", str(source), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release", "-DRONDO_CUDA=ON",
               f"-DCMAKE_CUDA_ARCHITECTURES={architecture(machine)}",
               f"-DRONDO_BUILD_PROGRAM={'ON' if can_build_program(source) else 'OFF'}",
               "-DRONDO_BUILD_TESTS=ON", "-DRONDO_BUILD_BENCH=ON", "-DRONDO_BUILD_EXAMPLES=OFF",
               "-DRONDO_LANE=ON"]
    if shutil.which("ninja"):
        command += ["-G", "Ninja"]
    if machine["nvcc"]:
        # Found at run time by our own programs alone: the environment's path would come before PyTorch's own libraries.
        command += [f"-DCMAKE_CUDA_COMPILER={machine['nvcc']}",
                    f"-DCMAKE_BUILD_RPATH={pathlib.Path(machine['nvcc']).parent.parent / 'lib64'}"]
    carried = source / ".carry"
    if (carried / "googletest" / "CMakeLists.txt").exists():
        command.append(f"-DRONDO_GTEST_SOURCE={carried / 'googletest'}")
    if (carried / "prefix").is_dir():
        command.append(f"-DCMAKE_PREFIX_PATH={carried / 'prefix'}")
    return command
