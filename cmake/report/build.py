"""How the project is configured for the machine at hand."""
import shutil


def architecture(machine):
    """CMake's name for the GPU. 90a and its like have instructions that 90 has not; without a GPU: an H100."""
    gpu = machine["gpu"]
    number = gpu["compute_cap"].replace(".", "") if gpu else "90"
    return f"{number}{'a' if int(number) >= 90 else ''}-real"


def configuration(source, build, machine):
    """The command that configures the build."""
    command = ["cmake", "-S", str(source), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release", "-DRONDO_CUDA=ON",
               f"-DCMAKE_CUDA_ARCHITECTURES={architecture(machine)}", "-DRONDO_BUILD_PROGRAM=OFF",
               "-DRONDO_BUILD_TESTS=ON", "-DRONDO_BUILD_BENCH=ON", "-DRONDO_LANE=ON"]
    if shutil.which("ninja"):
        command += ["-G", "Ninja"]
    if machine["nvcc"]:
        command.append(f"-DCMAKE_CUDA_COMPILER={machine['nvcc']}")
    carried = source / ".carry"
    if (carried / "googletest" / "CMakeLists.txt").exists():
        command.append(f"-DRONDO_GTEST_SOURCE={carried / 'googletest'}")
    if (carried / "prefix").is_dir():
        command.append(f"-DCMAKE_PREFIX_PATH={carried / 'prefix'}")
    return command
