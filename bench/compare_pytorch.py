#!/usr/bin/env python3
"""Rondo's CPU backend beside PyTorch's CPU modules, in turns in one run.

    bench/compare_pytorch.py --program build/release/bench/bench_cpu_rnn --output results.json [--threads 2]

Each row is measured in rounds: a burst of PyTorch, a burst of Rondo, and again; the row's times are the medians of
the bursts' medians, its spread the largest relative distance of a burst from them. PyTorch runs nn.LSTM or nn.GRU in
float32 as people call it: forward, then backward from a random dy (training), or forward under no_grad (inference).
Both get the same thread count; OMP_WAIT_POLICY=PASSIVE, with which PyTorch is fastest here, is set for it.
Needs torch (Debian: python3-torch).
"""
import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
import torch  # noqa: E402


def torch_median_us(row, seconds):
    """Median time of one call in microseconds over about `seconds`."""
    module = row["module"]
    calls = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(calls) < 3:
        begin = time.perf_counter()
        if row["pass"] == "training":
            for parameter in module.parameters():
                parameter.grad = None
            row["x"].grad = None
            y, _ = module(row["x"])
            y.backward(row["dy"])
        else:
            with torch.no_grad():
                module(row["x"])
        calls.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(calls)


def rondo_median_us(program, row, threads, seconds):
    name = (f"{row['cell']}/H{row['hidden']}/B{row['batch']}/T{row['steps']}/L{row['layers']}/"
            f"D{row['directions']}/{row['pass']}/threads{threads}/real_time")
    out = subprocess.run([program, f"--benchmark_filter=^{name}$", "--benchmark_format=json",
                          f"--benchmark_min_time={seconds / 3}", "--benchmark_repetitions=3",
                          "--benchmark_report_aggregates_only=true"],
                         check=True, capture_output=True, text=True).stdout
    found = [b for b in json.loads(out)["benchmarks"] if b.get("aggregate_name") == "median"]
    if len(found) != 1:
        sys.exit(f"compare_pytorch: {program} has no row {name}")
    return found[0]["real_time"]


def make_rows(hidden, batch):
    for layers, directions in ((1, 1), (2, 1), (1, 2)):
        for cell in ("lstm", "gru"):
            for h in hidden if layers * directions == 1 else (256,):
                for b in batch if layers * directions == 1 else (16,):
                    for which in ("training", "inference"):
                        yield dict(cell=cell, dtype="f32", hidden=h, input=h, batch=b, steps=64, layers=layers,
                                   directions=directions, ragged=False, **{"pass": which})


def prepare(row):
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[row["cell"]]
    row["module"] = kind(row["input"], row["hidden"], row["layers"], bidirectional=row["directions"] == 2)
    row["x"] = torch.randn(row["steps"], row["batch"], row["input"], requires_grad=True)
    row["dy"] = torch.randn(row["steps"], row["batch"], row["hidden"] * row["directions"])


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True, help="the built bench_cpu_rnn")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.4, help="of one burst")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 16, 32, 64])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)

    rows = []
    print(f"{'cell':5} {'pass':9} {'H':>5} {'B':>3} {'L':>2} {'D':>2} {'PyTorch us':>12} {'Rondo us':>12} {'ratio':>6}")
    for row in make_rows(args.hidden, args.batch):
        prepare(row)
        torch_median_us(row, args.seconds / 4)  # warm up
        ours, theirs = [], []
        for _ in range(args.rounds):
            theirs.append(torch_median_us(row, args.seconds))
            ours.append(rondo_median_us(args.program, row, args.threads, args.seconds))
        us, them = statistics.median(ours), statistics.median(theirs)
        row.update(rondo_us=us, peer="pytorch", peer_us=them, ratio=them / us,
                   spread=max(abs(v / m - 1) for values, m in ((ours, us), (theirs, them)) for v in values))
        for key in ("module", "x", "dy"):
            del row[key]
        rows.append(row)
        print(f"{row['cell']:5} {row['pass']:9} {row['hidden']:5} {row['batch']:3} {row['layers']:2} "
              f"{row['directions']:2} {them:12.0f} {us:12.0f} {row['ratio']:6.2f}", flush=True)

    ratios = [row["ratio"] for row in rows]
    summary = dict(rows=len(rows), geometric_mean=math.exp(sum(map(math.log, ratios)) / len(ratios)),
                   minimum=min(ratios), below_one=sum(r < 1 for r in ratios))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    with open(args.output, "w", encoding="utf-8") as out:
        json.dump(dict(benchmark="cpu_rnn against PyTorch", date=datetime.date.today().isoformat(), commit=commit,
                       machine=dict(cpu=cpu_name(), cores=os.cpu_count(), threads=args.threads),
                       peer=dict(name="PyTorch", version=torch.__version__, OMP_WAIT_POLICY="PASSIVE"),
                       command=" ".join(["bench/compare_pytorch.py"] + sys.argv[1:]), summary=summary, rows=rows), out,
                  indent=1)
        out.write("\n")
    print(f"geometric mean {summary['geometric_mean']:.2f}, minimum {summary['minimum']:.2f}, "
          f"{summary['below_one']} of {summary['rows']} rows below 1")


if __name__ == "__main__":
    main()
