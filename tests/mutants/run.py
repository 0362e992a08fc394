#!/usr/bin/env python3
"""Plants faults one by one and counts how many the tests notice.

    run.py --check [DIR...]        every fault still finds its text; quick, run by ctest
    run.py [--work DIR] [--only WORD] [--jobs N]

A fault is planted in a copy of the sources, in a build of its own (g++, one instruction set, -O1), never in the tree.
It is killed when the tests fail, crash or run out of time; whatever survives is named, and the exit status tells.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
from faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["host/reference", "host/scheduler", "host/files", "host/cpu", "host/cpu/ops", "host/cpu/isa",
           "tests/support", "tests/rnn"]
FILES = ["host/model/device.cpp"]
FLAGS = ("-std=c++20 -O1 -fno-math-errno -ffp-contract=off -w -DRONDO_STATIC_DEFINE -DRONDO_ISA=baseline").split()
LIBRARIES = ["-lgtest", "-lgtest_main", "-lpthread"]
# What kills most comes first; everything else after it, and the slowest last.
ROUNDS = ["GradientsTest.SingleLayers:GradientsTest.Stacks:GradientsTest.SaturatedGates:RnnPartsTest.*:RecurrentClipTest.*:RnnErrorsTest.*:"
          "RnnDropoutTest.*:IdentitiesTest.*:Precisions/DeterminismTest.*",
          "*-*InSingle:RnnThreadsTest.*"]


def places(root, where, old):
    """(path, match) wherever the fault's text stands in a file or folder; line breaks do not matter."""
    path = root / where
    pattern = re.compile(r"\s+".join(map(re.escape, old.split())))
    files = sorted(p for p in path.iterdir() if p.suffix in (".hpp", ".cpp")) if path.is_dir() else [path]
    return [(p, match) for p in files if p.exists() for match in pattern.finditer(p.read_text())]


def misses():
    """Faults whose text does not stand in its place exactly once, or whose sources are not there."""
    for name, where, old, new, sources in FAULTS:
        found = len(places(ROOT, where, old))
        if found != 1:
            yield f"{name}: found {found} times in {where}"
        elif old == new:
            yield f"{name}: changes nothing"
        for source in sources or []:
            if not (ROOT / source).exists():
                yield f"{name}: there is no {source}"
    names = [fault[0] for fault in FAULTS]
    yield from (f"{n}: named twice" for n in sorted({n for n in names if names.count(n) > 1}))


class Build:
    """The tests' program from a copy of the sources; a fault's objects stand beside those of the sound build."""

    def __init__(self, work, jobs):
        self.source, self.objects, self.jobs = work / "source", work / "objects", jobs
        for folder in ("include", "host", "tests/support", "tests/rnn", "tests/fixtures"):
            shutil.copytree(ROOT / folder, self.source / folder)
        self.sources = [s for f in FOLDERS for s in sorted(f"{f}/{p.name}" for p in (self.source / f).glob("*.cpp"))]
        self.sources += FILES
        self.compiler = (["ccache"] if shutil.which("ccache") else []) + [os.environ.get("CXX", "g++")]

    def compile(self, source, to):
        to.parent.mkdir(parents=True, exist_ok=True)
        paths = [f"-I{self.source}/{p}" for p in ("include", "host", "tests")]
        root = f'-DRONDO_SOURCE_DIR="{self.source}"'
        return subprocess.run([*self.compiler, *FLAGS, root, *paths, "-c", str(self.source / source), "-o", str(to)],
                              capture_output=True, text=True)

    def object(self, source, folder="sound"):
        return self.objects / folder / (source + ".o")

    def program(self, anew=(), folder="sound"):
        """Compiles `anew` (all, for the sound build) and links. Returns the program, or the compiler's complaint."""
        with ThreadPoolExecutor(self.jobs) as pool:
            for result in pool.map(lambda s: self.compile(s, self.object(s, folder)), anew):
                if result.returncode:
                    return None, result.stderr
        objects = [str(self.object(s, folder if s in anew else "sound")) for s in self.sources]
        program = self.objects / f"{folder}_tests"
        link = subprocess.run([*self.compiler[-1:], "-o", str(program), *objects, *LIBRARIES], capture_output=True, text=True)
        return (program, "") if link.returncode == 0 else (None, link.stderr)


def killer(program):
    """The first test that notices, or None."""
    for tests in ROUNDS:
        command = [str(program), f"--gtest_filter={tests}", "--gtest_brief=1", "--gtest_fail_fast"]
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600)
        except subprocess.TimeoutExpired:
            return "ran out of time"
        if run.returncode:
            failed = [line.split()[3] for line in run.stdout.splitlines() if line.startswith("[  FAILED  ]")]
            return failed[0].rstrip(",") if failed else f"crashed with {run.returncode}"
    return None


def run(work, only, jobs):
    build = Build(work, jobs)
    began = time.time()
    program, complaint = build.program(build.sources)
    if not program:
        sys.exit(f"the sound build fails:\n{complaint}")
    print(f"sound build: {time.time() - began:.0f} s", flush=True)
    if (broken := killer(program)) is not None:
        sys.exit(f"the tests fail without any fault: {broken}")
    killed, survivors, broken = 0, [], []
    for name, where, old, new, sources in (f for f in FAULTS if only in f[0]):
        ((path, place),) = places(build.source, where, old)
        sound = path.read_text()
        path.write_text(sound[:place.start()] + new + sound[place.end():])
        program, complaint = build.program(sources or [str(path.relative_to(build.source))], "faulty")
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
    parser.add_argument("--list", action="store_true", help="only name the faults")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name contains it")
    parser.add_argument("--work", type=pathlib.Path, help="an empty folder to build in; otherwise a temporary one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(fault[0] for fault in FAULTS))
        return 0
    lost = list(misses())
    if lost:
        print("\n".join(lost))
        return 1
    if arguments.check:
        print(f"{len(FAULTS)} faults find their text")
        return 0
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        return 0 if run(arguments.work.resolve(), arguments.only, arguments.jobs) else 1
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(pathlib.Path(folder), arguments.only, arguments.jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
