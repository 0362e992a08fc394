#!/usr/bin/env python3
"""Builds Rondo for the GPU of this machine, proves it right, measures it against cuDNN, and leaves a report.

    python3 cmake/gpu_report.py --seconds 540 --out report

Needs an NVIDIA GPU, CUDA, CMake and a C++ compiler; neither root nor a network. What is not installed is taken from
.carry/ (cmake/carry.sh fills it, on a machine that has it). Stages run in order of importance; each has a share of what
is left of the time, and one that is cut off leaves what it has. The report is written again after every stage:

    report.json  summary.md  junit.xml  benchmark.json  loops.json  micro.json  ratio.png (or .svg)  log.txt
"""
import argparse
import pathlib
import sys
import time

from report import context as contexts
from report import machine, output, stages

SOURCE = pathlib.Path(__file__).resolve().parent.parent
RESERVE = 10  # seconds, for the report itself


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1500, help="for everything")
    parser.add_argument("--out", required=True, help="folder of the report")
    parser.add_argument("--build", help="folder to build in (default: build/gpu_report)")
    parser.add_argument("--stages", nargs="+", default=list(stages.STAGES), choices=list(stages.STAGES))
    parser.add_argument("--grid", choices=["short", "full"], help="rows to measure; default: by the time that is left")
    parser.add_argument("--jobs", type=int, default=0, help="compilers at once; default: one a core")
    parser.add_argument("--dry-run", action="store_true", help="everything up to the device: needs and builds nothing")
    parser.add_argument("--emulated", help="folder of the programs that run on the emulated device, in place of a GPU")
    args = parser.parse_args()

    began = time.monotonic()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name in output.FILES:  # of an earlier run into the same folder
        (out / name).unlink(missing_ok=True)
    build = pathlib.Path(args.build or SOURCE / "build" / "gpu_report")
    context = contexts.Context(source=SOURCE, build=build, out=out,
                               machine=machine.describe(SOURCE), grid=args.grid, jobs=args.jobs, dry_run=args.dry_run,
                               deadline=began + args.seconds - RESERVE,
                               emulated=pathlib.Path(args.emulated) if args.emulated else None)
    if not context.machine["gpu"] and not args.dry_run and not args.emulated:
        sys.exit("gpu_report: nvidia-smi finds no GPU on this machine; --dry-run needs none")

    report = {"machine": context.machine, "command": sys.argv[1:], "dry_run": args.dry_run,
              "emulated": bool(args.emulated), "stages": []}
    for name in args.stages:
        title, share, _ = stages.STAGES[name]
        limit = (context.deadline - time.monotonic()) * share
        print(f"==== {title}: up to {max(limit, 0):.0f} s", flush=True)
        start = time.monotonic()
        result = stages.run(name, context, limit)
        result = {"name": name, "title": title, **result, "seconds": round(time.monotonic() - start, 1)}
        print(f"==== {title}: {result['status']}: {result['says']}", flush=True)
        report["stages"].append(result)
        output.write(out, report, stages.MISSING)
        if name == "build" and result["status"] == "failed":
            break
    print((out / "summary.md").read_text(encoding="utf-8"))
    return 1 if any(stage["status"] == "failed" for stage in report["stages"]) else 0


if __name__ == "__main__":
    sys.exit(main())
