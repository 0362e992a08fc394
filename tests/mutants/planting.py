"""Planting faults: what run.py and run_lane.py have in common. Each has a list of faults and says what is built from the
sources and which runs of it must notice.

A fault is planted in a copy of the sources, in a build of its own, never in the tree. It is killed when a run fails,
crashes or takes far longer than it does without the fault; whatever survives is named, and the exit status tells.
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = (".hpp", ".cpp", ".cuh", ".cu")


def places(root, where, old):
    """(path, match) wherever the fault's text stands in a file or folder; line breaks do not matter."""
    path = root / where
    pattern = re.compile(r"\s+".join(map(re.escape, old.split())))
    files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
    return [(p, match) for p in files if p.exists() for match in pattern.finditer(p.read_text())]


def misses(faults):
    """Faults whose text does not stand in its place exactly once, or whose sources are not there."""
    for name, where, old, new, sources in faults:
        found = len(places(ROOT, where, old))
        if found != 1:
            yield f"{name}: found {found} times in {where}"
        elif old == new:
            yield f"{name}: changes nothing"
        for source in sources or []:
            if not (ROOT / source).exists():
                yield f"{name}: there is no {source}"
    names = [fault[0] for fault in faults]
    yield from (f"{n}: named twice" for n in sorted({n for n in names if names.count(n) > 1}))


class Build:
    """A program of tests from a copy of the sources; a fault's objects stand beside those of the sound build."""

    def __init__(self, work, jobs, folders, sources, flags, libraries):
        self.source, self.objects, self.jobs, self.libraries = work / "source", work / "objects", jobs, libraries
        for folder in folders:
            shutil.copytree(ROOT / folder, self.source / folder)
        self.sources = [str(p.relative_to(self.source)) for s in sources for p in sorted(self.source.glob(s))]
        self.flags = ["-std=c++20", "-O1", "-fno-math-errno", "-ffp-contract=off", "-w", "-DRONDO_STATIC_DEFINE",
                      "-DRONDO_ISA=baseline", f'-DRONDO_SOURCE_DIR="{self.source}"', *flags]
        self.compiler = (["ccache"] if shutil.which("ccache") else []) + [os.environ.get("CXX", "g++")]

    def object(self, source, folder):
        return self.objects / folder / (source.replace("/", "_") + ".o")

    def compile(self, source, folder):
        target = self.object(source, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        return subprocess.run([*self.compiler, *self.flags, "-x", "c++", "-c", source, "-o", str(target)],
                              cwd=self.source, capture_output=True, text=True)

    def program(self, anew, folder="sound"):
        """Compiles `anew` (all, for the sound build) and links. Returns the program, or None and the complaint."""
        with ThreadPoolExecutor(self.jobs) as pool:
            for result in pool.map(lambda s: self.compile(s, folder), anew):
                if result.returncode:
                    return None, result.stderr
        objects = [str(self.object(s, folder if s in anew else "sound")) for s in self.sources]
        program = self.objects / f"{folder}_tests"
        link = subprocess.run([self.compiler[-1], "-o", str(program), *objects, *self.libraries],
                              capture_output=True, text=True)
        return (program, "") if link.returncode == 0 else (None, link.stderr)

    def with_fault(self, fault):
        _, where, old, new, sources = fault
        ((path, place),) = places(self.source, where, old)
        sound = path.read_text()
        path.write_text(sound[:place.start()] + new + sound[place.end():])
        try:
            return self.program(sources or [str(path.relative_to(self.source))], "faulty")
        finally:
            path.write_text(sound)


def killer(program, runs, limits):
    """The first test that notices, and the arguments of its run after the filter; or None."""
    for (filter, *options), limit in zip(runs, limits):
        command = [str(program), f"--gtest_filter={filter}", "--gtest_brief=1", "--gtest_fail_fast", *options]
        where = " ".join(["", *options])
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit)
        except subprocess.TimeoutExpired:
            return f"ran out of time{where}"
        if run.returncode:
            failed = [line.split()[3] for line in run.stdout.splitlines() if line.startswith("[  FAILED  ]")]
            return (failed[0].rstrip(",") if failed else f"crashed with {run.returncode}") + where
    return None


def plant(build, faults, runs):
    began = time.time()
    program, complaint = build.program(build.sources)
    if not program:
        sys.exit(f"the sound build fails:\n{complaint}")
    print(f"sound build: {time.time() - began:.0f} s", flush=True)
    limits = []
    for one in runs:
        before = time.time()
        if (broken := killer(program, [one], [600])) is not None:
            sys.exit(f"the tests fail without any fault: {broken}")
        limits.append(60 + 5 * (time.time() - before))
    killed, survivors, broken = 0, [], []
    for fault in faults:
        program, complaint = build.with_fault(fault)
        if not program:
            broken.append(fault[0])
            print(f"  NO BUILD  {fault[0]}\n{complaint[:600]}", flush=True)
        elif (by := killer(program, runs, limits)) is None:
            survivors.append(fault[0])
            print(f"  SURVIVES  {fault[0]}", flush=True)
        else:
            killed += 1
            print(f"  killed    {fault[0]}: {by}", flush=True)
    total = killed + len(survivors)
    print(f"{killed} of {total} faults killed ({100 * killed / max(1, total):.0f} %), {time.time() - began:.0f} s")
    for name in survivors:
        print(f"survived: {name}")
    return not survivors and not broken


def arguments_for(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only look whether every fault still finds its text")
    parser.add_argument("--list", action="store_true", help="only name the faults")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name contains it")
    parser.add_argument("--work", type=pathlib.Path, help="an empty folder to build in; otherwise a temporary one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser


def main(arguments, faults, runs, **build):
    """The exit status of a command. `runs`: a filter and further options for each; `build`: what Build is made of."""
    if arguments.list:
        print("\n".join(fault[0] for fault in faults))
        return 0
    lost = list(misses(faults))
    if lost:
        print("\n".join(lost))
        return 1
    if arguments.check:
        print(f"{len(faults)} faults find their text")
        return 0
    chosen = [fault for fault in faults if arguments.only in fault[0]]
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        return 0 if plant(Build(arguments.work.resolve(), arguments.jobs, **build), chosen, runs) else 1
    with tempfile.TemporaryDirectory() as folder:
        return 0 if plant(Build(pathlib.Path(folder), arguments.jobs, **build), chosen, runs) else 1
