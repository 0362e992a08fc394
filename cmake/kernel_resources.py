#!/usr/bin/env python3
"""Prints what ptxas says of every kernel as a Markdown table: registers of a thread, spilled bytes, stack frame, static
shared memory; and how many of its loads in PTX are of single bytes, which is what becomes of a vector that is copied out
of memory by memcpy. The most of all its instantiations (cells, types, widths), and how many there are.

    cmake/kernel_resources.py [--arch 90a] [--nvcc nvcc] [--each] [FILE.cu ...]

--each gives every instantiation a row. Exits with 1 where anything spills, has a stack frame, or has more loads of bytes
than a few flags explain. Needs nvcc, no GPU.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
# As cmake/RondoOptions.cmake compiles them.
FLAGS = ["-std=c++20", "-O3", "--fmad=false", "-Xptxas=-v", "-cubin"]
ENTRY = re.compile(r"Compiling entry function '(\w+)' for")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?, (\d+) bytes smem)?")


PTX_ENTRY = re.compile(r"\.entry (\w+)\(")
BYTE_LOAD = re.compile(r"^\s*(?:@\S+ )?ld(?!\.param)[.\w]*\.[us]8\s")
FLAGS_OF_A_KERNEL = 8  # bools that it may load; a vector that goes byte by byte is sixteen loads
FIGURES = ("registers", "spilled", "stack", "shared", "bytes")


class Resources:
    def __init__(self, kernel):
        self.kernel, self.count = kernel, 1
        self.registers = self.spilled = self.stack = self.shared = self.bytes = 0

    def take(self, other):
        self.count += other.count
        for name in FIGURES:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))

    def row(self):
        return f"| `{self.kernel}` | {self.count} | " + " | ".join(str(getattr(self, name)) for name in FIGURES) + " |"

    def bad(self):
        return self.spilled or self.stack or self.bytes > FLAGS_OF_A_KERNEL


def parse(text):
    """Resources of every entry function, by its mangled name."""
    found = []
    for line in text.splitlines():
        if entry := ENTRY.search(line):
            found.append(Resources(entry[1]))
        elif found and (frame := FRAME.search(line)):
            found[-1].stack, found[-1].spilled = int(frame[1]), int(frame[2]) + int(frame[3])
        elif found and (used := USED.search(line)):
            found[-1].registers, found[-1].shared = int(used[1]), int(used[2] or 0)
    return found


def byte_loads(ptx):
    """How many loads of single bytes every entry function has, by its mangled name."""
    found, entry = {}, None
    for line in ptx.splitlines():
        if begins := PTX_ENTRY.search(line):
            entry = begins[1]
            found[entry] = 0
        elif entry and BYTE_LOAD.search(line):
            found[entry] += 1
    return found


def compiled(nvcc, arch, source, folder):
    command = [nvcc, *FLAGS, f"-arch=sm_{arch}", f"-I{ROOT / 'include'}", f"-I{ROOT / 'kernels'}", "-keep",
               f"-keep-dir={folder}", "-o", f"{folder}/kernel.cubin", source]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{source}: {run.stderr}")
    kernels = parse(run.stderr + run.stdout)
    of_bytes = byte_loads(pathlib.Path(folder, pathlib.Path(source).stem + ".ptx").read_text())
    for kernel in kernels:
        kernel.bytes = of_bytes[kernel.kernel]
    return kernels


def demangled(kernels):
    """Their names without namespaces and arguments; the instantiation's template arguments remain."""
    names = subprocess.run(["c++filt"], input="\n".join(k.kernel for k in kernels), capture_output=True, text=True)
    for kernel, name in zip(kernels, names.stdout.splitlines()):
        kernel.kernel = without_arguments(name.removeprefix("void "))
    return kernels


def without_arguments(name):
    depth = 0
    for i, c in enumerate(name):
        depth += (c in "<") - (c in ">")
        if c == "(" and depth == 0 and i > 0:
            name = name[:i]
            break
    return re.sub(r"\(anonymous namespace\)::|\brondo::(?:kernels::|cell::)?", "", name)


def summed_up(kernels):
    by_name = {}
    for kernel in kernels:
        kernel.kernel = kernel.kernel.split("<")[0]
        if kernel.kernel in by_name:
            by_name[kernel.kernel].take(kernel)
        else:
            by_name[kernel.kernel] = kernel
    return list(by_name.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="90a")
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--each", action="store_true", help="a row for every instantiation")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    # What CUB writes is CUB's.
    files = arguments.files or sorted(p for p in (ROOT / "kernels").rglob("*.cu") if p.parent.name != "cub")
    kernels = []
    with tempfile.TemporaryDirectory() as folder:
        for source in files:
            kernels += compiled(arguments.nvcc, arguments.arch, str(source), folder)
    if not kernels:
        sys.exit("ptxas named no kernel")
    kernels = demangled(kernels)
    kernels = kernels if arguments.each else summed_up(kernels)
    print("| kernel | instantiations | registers | spilled bytes | stack frame | shared bytes | loads of bytes |")
    print("|---|---|---|---|---|---|---|")
    for kernel in sorted(kernels, key=lambda k: k.kernel):
        print(kernel.row())
    return 1 if any(k.bad() for k in kernels) else 0


if __name__ == "__main__":
    sys.exit(main())
