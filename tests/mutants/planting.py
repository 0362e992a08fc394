"""Planting faults: what run.py and run_lane.py have in common. Each has a list of faults and says what is built from the
sources and which runs of it must notice.

A fault is planted in a copy of the sources, in a build of its own, never in the tree. It is killed when a run fails,
crashes or computes far longer than it does without the fault; whatever survives is named, and the exit status tells.
The tests beside a fault are run first; and where several instantiations of a template are compiled anew, the first of
them alone is tried before the others: whoever notices the fault in one type needs no other.
"""
import argparse
import contextlib
import os
import pathlib
import queue
import re
import shutil
import signal
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
    """A program of tests from copies of the sources: one that stays sound, and one for each job to plant faults in,
    whose objects take the place of sound ones."""

    def __init__(self, work, jobs, folders, sources, flags, libraries):
        self.jobs, self.libraries, self.sound = jobs, libraries, work / "sound"
        self.free = queue.Queue()
        for tree in (self.sound, *(work / f"faulty_{job}" for job in range(jobs))):
            for folder in folders:
                shutil.copytree(ROOT / folder, tree / folder)
            if tree != self.sound:
                self.free.put(tree)
        self.sources = [str(p.relative_to(self.sound)) for s in sources for p in sorted(self.sound.glob(s))]
        self.flags = ["-std=c++20", "-O1", "-fno-math-errno", "-ffp-contract=off", "-w", "-DRONDO_STATIC_DEFINE",
                      "-DRONDO_ISA=baseline", f'-DRONDO_SOURCE_DIR="{self.sound}"', *flags]
        self.compiler = (["ccache"] if shutil.which("ccache") else []) + [os.environ.get("CXX", "g++")]

    @staticmethod
    def object(tree, source):
        return tree / "objects" / (source.replace("/", "_") + ".o")

    def compile(self, tree, source):
        """The complaint, or nothing."""
        target = self.object(tree, source)
        target.parent.mkdir(exist_ok=True)
        run = subprocess.run([*self.compiler, *self.flags, "-x", "c++", "-c", source, "-o", str(target)], cwd=tree,
                             capture_output=True, text=True)
        return run.stderr if run.returncode else ""

    def link(self, tree, anew):
        """The program with the tree's objects of `anew`, and the complaint."""
        program = tree / "planted"
        objects = [str(self.object(tree if source in anew else self.sound, source)) for source in self.sources]
        run = subprocess.run([self.compiler[-1], "-o", str(program), *objects, *self.libraries], capture_output=True,
                             text=True)
        return program, run.stderr if run.returncode else ""

    def sound_program(self):
        with ThreadPoolExecutor(self.jobs) as pool:
            complaints = list(filter(None, pool.map(lambda source: self.compile(self.sound, source), self.sources)))
        program, complaint = (None, complaints[0]) if complaints else self.link(self.sound, self.sources)
        if complaint:
            sys.exit(f"the sound build fails:\n{complaint}")
        return program

    @contextlib.contextmanager
    def planted(self, tree, fault):
        """The sources that are compiled anew, while the fault stands in them."""
        _, where, old, new, sources = fault
        ((path, place),) = places(tree, where, old)
        sound = path.read_text()
        path.write_text(sound[:place.start()] + new + sound[place.end():])
        try:
            yield sources or [str(path.relative_to(tree))]
        finally:
            path.write_text(sound)

    def faulty_program(self, tree, sources, compiled):
        """With the objects of `sources`, of which so many are compiled already, and the complaint."""
        complaint = next(filter(None, (self.compile(tree, source) for source in sources[compiled:])), "")
        return (None, complaint) if complaint else self.link(tree, sources)


def killer(program, run, limit):
    """The first test of a run (a filter and options) that notices and the options, or None. limit: CPU seconds; this
    process may have to stand still meanwhile."""
    filter, *options = run
    command = ["sh", "-c", 'ulimit -S -t "$0"; exec "$@"', str(limit), str(program), f"--gtest_filter={filter}",
               "--gtest_brief=1", "--gtest_fail_fast", *options]
    where = " ".join(["", *options])
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=40 * limit)
    except subprocess.TimeoutExpired:
        return f"waited for ever{where}"
    if done.returncode == 0:
        return "no test is named so" if " 0 tests from" in done.stdout else None
    failed = [line.split()[3] for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]")]
    if failed:
        return failed[0].rstrip(",") + where
    return ("ran out of time" if done.returncode == -signal.SIGXCPU else f"crashed with {done.returncode}") + where


def verdict(build, fault, nearest, all_runs, limits):
    """("killed", by whom), ("survives", "") or ("no build", complaint)."""
    tree = build.free.get()
    try:
        with build.planted(tree, fault) as sources:
            compiled = 0
            for count in sorted({1, len(sources)}):
                program, complaint = build.faulty_program(tree, sources[:count], compiled)
                if complaint:
                    return "no build", complaint
                compiled = count
                for run in nearest + (all_runs if count == len(sources) else []):
                    if by := killer(program, run, limits[tuple(run)]):
                        return "killed", by
        return "survives", ""
    finally:
        build.free.put(tree)


def plant(build, faults, near, runs):
    """near(fault): the runs of the tests beside it."""
    began = time.time()
    program = build.sound_program()
    print(f"sound build: {time.time() - began:.0f} s", flush=True)
    limits = {}
    for run in [run for fault in faults for run in near(fault)] + runs:
        if tuple(run) not in limits:
            before = os.times().children_user
            if (broken := killer(program, run, 600)) is not None:
                sys.exit(f"the tests fail without any fault: {broken}")
            limits[tuple(run)] = int(60 + 5 * (os.times().children_user - before))
    print(f"without faults: {time.time() - began:.0f} s", flush=True)
    verdicts = {}
    with ThreadPoolExecutor(build.jobs) as pool:
        judged = pool.map(lambda fault: verdict(build, fault, near(fault), runs, limits), faults)
        for fault, (result, why) in zip(faults, judged):
            verdicts[fault[0]] = result
            print(f"  {result:8}  {fault[0]}" + (f": {why[:600]}" if why else ""), flush=True)
    killed, survivors = ([n for n, v in verdicts.items() if v == wanted] for wanted in ("killed", "survives"))
    total = len(killed) + len(survivors)
    print(f"{len(killed)} of {total} faults killed ({100 * len(killed) / max(1, total):.0f} %), "
          f"{time.time() - began:.0f} s")
    for name in survivors:
        print(f"survived: {name}")
    return len(killed) == len(faults)


def arguments_for(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only look whether every fault still finds its text")
    parser.add_argument("--list", action="store_true", help="only name the faults")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name contains it")
    parser.add_argument("--work", type=pathlib.Path, help="an empty folder to build in; otherwise a temporary one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser


def main(arguments, faults, near, runs, **build):
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
        return 0 if plant(Build(arguments.work.resolve(), arguments.jobs, **build), chosen, near, runs) else 1
    with tempfile.TemporaryDirectory() as folder:
        return 0 if plant(Build(pathlib.Path(folder), arguments.jobs, **build), chosen, near, runs) else 1
