#!/usr/bin/env python3
"""Plants faults in the kernels and in host/cuda one by one and counts how many the lane's tests notice.

    run_lane.py --check            every fault still finds its text; quick
    run_lane.py [--work DIR] [--only WORD] [--jobs N] [--cuda FOLDER_OF_HEADERS]

A fault is planted in a copy of the sources, in a build of its own (g++, -O1, the emulator in place of a GPU), never in
the tree. It is killed when the tests fail, crash or run out of time; whatever survives is named, and the exit status
tells.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
from lane_faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ["kernels/*.cu", "kernels/pointwise/*.cu", "host/cuda/*.cpp", "host/reference/*.cpp", "host/scheduler/*.cpp",
           "host/cpu/*.cpp", "host/cpu/ops/*.cpp", "host/cpu/isa/*.cpp", "host/files/convert.cpp",
           "host/model/device.cpp", "tests/support/*.cpp", "tests/cuda/*.cpp", "tests/lane/emulator/*.cpp",
           "tests/lane/standin/*.cpp", "tests/lane/engine/*.cpp", "tests/lane/support/main.cpp"]
UNUSED = {"tests/support/fixtures.cpp"}  # needs a reader of files, and no test here does
FLAGS = ("-std=c++20 -O1 -fno-math-errno -ffp-contract=off -fno-strict-aliasing -w -DRONDO_STATIC_DEFINE "
         "-DRONDO_ISA=baseline -DRONDO_HAVE_CUDA=1 -Iinclude -Ihost -Ikernels -Itests").split()
# What is quick comes first; then every cell with every option; what shows only with one rounding last.
ROUNDS = ["CudaOperationsGpu.*:CudaErrorsGpu.*:CudaStreamsGpu.*-*ManyRows*", "CudaGradientsGpu.EdgeExtents",
          "CudaGradientsGpu.SingleLayers:CudaGradientsGpu.Stacks", "CudaGradientsGpu.*Bf16"]
SCHEDULES = ["forward", "random:1"]


def misses():
    for name, file, old, new, _ in FAULTS:
        path = ROOT / file
        count = path.read_text().count(old) if path.exists() else 0
        if count != 1:
            yield f"{name}: found {count} times in {file}"
        elif old == new:
            yield f"{name}: changes nothing"
    names = [fault[0] for fault in FAULTS]
    yield from (f"{n}: named twice" for n in sorted({n for n in names if names.count(n) > 1}))


class Build:
    """The lane's engine tests from a copy of the sources; a fault's objects stand beside those of the sound build."""

    def __init__(self, work, jobs, cuda):
        self.source, self.objects, self.jobs = work / "source", work / "objects", jobs
        for folder in ("include", "host", "kernels", "tests/support", "tests/cuda", "tests/lane"):
            shutil.copytree(ROOT / folder, self.source / folder)
        found = [str(p.relative_to(self.source)) for pattern in SOURCES for p in sorted(self.source.glob(pattern))]
        self.sources = [s for s in found if s not in UNUSED]
        self.flags = [*FLAGS, "-isystem", cuda, f'-DRONDO_SOURCE_DIR="{self.source}"']
        self.compiler = (["ccache"] if shutil.which("ccache") else []) + [os.environ.get("CXX", "g++")]

    def object(self, source, folder):
        return self.objects / folder / (source.replace("/", "_") + ".o")

    def compile(self, source, folder):
        target = self.object(source, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        return subprocess.run([*self.compiler, *self.flags, "-x", "c++", "-c", source, "-o", str(target)],
                              cwd=self.source, capture_output=True, text=True)

    def program(self, anew, folder="sound"):
        """Compiles `anew` and links. Returns the program, or None and the compiler's complaint."""
        with ThreadPoolExecutor(self.jobs) as pool:
            for result in pool.map(lambda s: self.compile(s, folder), anew):
                if result.returncode:
                    return None, result.stderr
        objects = [str(self.object(s, folder if s in anew else "sound")) for s in self.sources]
        program = self.objects / f"{folder}_tests"
        link = subprocess.run([self.compiler[-1], "-o", str(program), *objects, "-lgtest", "-lpthread"],
                              capture_output=True, text=True)
        return (program, "") if link.returncode == 0 else (None, link.stderr)


def killer(program):
    """The first test that notices and the order it ran in, or None."""
    for tests in ROUNDS:
        for schedule in SCHEDULES:
            command = [str(program), f"--gtest_filter={tests}", "--gtest_brief=1", "--gtest_fail_fast",
                       f"--lane={schedule}"]
            try:
                run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600)
            except subprocess.TimeoutExpired:
                return f"ran out of time ({schedule})"
            if run.returncode:
                failed = [line.split()[3] for line in run.stdout.splitlines() if line.startswith("[  FAILED  ]")]
                return f"{failed[0].rstrip(',') if failed else f'crashed with {run.returncode}'} ({schedule})"
    return None


def run(work, only, jobs, cuda):
    build = Build(work, jobs, cuda)
    began = time.time()
    program, complaint = build.program(build.sources)
    if not program:
        sys.exit(f"the sound build fails:\n{complaint}")
    print(f"sound build: {time.time() - began:.0f} s", flush=True)
    if (broken := killer(program)) is not None:
        sys.exit(f"the tests fail without any fault: {broken}")
    killed, survivors, broken = 0, [], []
    for name, file, old, new, sources in (f for f in FAULTS if only in f[0]):
        path = build.source / file
        sound = path.read_text()
        path.write_text(sound.replace(old, new))
        program, complaint = build.program(sources or [file], "faulty")
        path.write_text(sound)
        if not program:
            broken.append(name)
            print(f"  NO BUILD  {name}\n{complaint[:600]}", flush=True)
        elif (by := killer(program)) is None:
            survivors.append(name)
            print(f"  SURVIVES  {name}", flush=True)
        else:
            killed += 1
            print(f"  killed    {name}: {by}", flush=True)
    total = killed + len(survivors)
    print(f"{killed} of {total} faults killed ({100 * killed / max(1, total):.0f} %), {time.time() - began:.0f} s")
    for name in survivors:
        print(f"survived: {name}")
    return not survivors and not broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only look whether every fault still finds its text")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name contains it")
    parser.add_argument("--work", type=pathlib.Path, help="an empty folder to build in; otherwise a temporary one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cuda", default="/usr/local/cuda/include", help="folder of CUDA's headers")
    arguments = parser.parse_args()
    lost = list(misses())
    if lost:
        print("\n".join(lost))
        return 1
    if arguments.check:
        print(f"{len(FAULTS)} faults find their text")
        return 0
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        return 0 if run(arguments.work.resolve(), arguments.only, arguments.jobs, arguments.cuda) else 1
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(pathlib.Path(folder), arguments.only, arguments.jobs, arguments.cuda) else 1


if __name__ == "__main__":
    sys.exit(main())
