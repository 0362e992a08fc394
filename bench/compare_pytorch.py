#!/usr/bin/env python3
"""Rondo beside PyTorch's modules, in turns in one run: on a CPU, or on a GPU.

    bench/compare_pytorch.py --program build/release/bench/bench_cpu_rnn --output results.json [--threads 2]
    bench/compare_pytorch.py --device cuda --program build/cuda/bench/bench_cuda_rnn --output results.json

Each row is measured in rounds: a burst of PyTorch, a burst of Rondo, and again; the row's times are the medians of
the bursts' medians, its spread the largest relative distance of a burst from them. PyTorch runs nn.LSTM or nn.GRU as
people call it: forward, then backward from a random dy (training), or forward under no_grad (inference); eagerly, its
weights of the row's type. On a CPU both get the same thread count, and OMP_WAIT_POLICY=PASSIVE, with which PyTorch is
fastest here, is set for it. On a GPU calls are timed with events, and Rondo's time is that of its faster way, eager or
in a graph (rondo_algorithm says which). Needs torch (Debian: python3-torch).
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
import torch  # noqa: E402

import turns  # noqa: E402

DTYPES = {"f32": torch.float32, "tf32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def call(row):
    module = row["module"]
    if row["pass"] == "inference":
        with torch.no_grad():
            module(row["x"])
        return
    for parameter in module.parameters():
        parameter.grad = None
    row["x"].grad = None
    y, _ = module(row["x"])
    y.backward(row["dy"])


def cpu_call_us(row):
    begin = time.perf_counter()
    call(row)
    return (time.perf_counter() - begin) * 1e6


def cuda_call_us(row, calls=10):
    """Of calls queued together: what the host does between them hides behind the device's work where it can."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(calls):
        call(row)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e3 / calls


def torch_median_us(row, device, seconds):
    """Median time of one call in microseconds over about `seconds`."""
    once = cuda_call_us if device == "cuda" else cpu_call_us
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        times.append(once(row))
    return statistics.median(times)


def rondo_on_cpu(args, row):
    """Microseconds, and by what algorithm."""
    return turns.benchmark_median_us(args.program, row, args.threads, args.seconds), "cpu"


def rondo_on_cuda(args, row):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "row.json"
        words = [f"--{name}={row[name]}".split("=") for name in ("cell", "dtype", "hidden", "input", "batch", "steps",
                                                               "layers", "directions", "pass")]
        ran = subprocess.run([args.program, "--alone", *sum(words, []), "--seconds", str(4 * args.seconds), "--output",
                              str(path)], capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(f"compare_pytorch: {args.program}: {ran.stdout}{ran.stderr}")
        found = json.loads(path.read_text(encoding="utf-8"))["details"][0]["rondo"]
    best = min((entry for entry in found if "us" in entry), key=lambda entry: entry["us"])
    return best["us"], best["name"]


def cpu_rows(hidden, batch):
    for layers, directions in ((1, 1), (2, 1), (1, 2)):
        for cell in ("lstm", "gru"):
            for h in hidden if layers * directions == 1 else (256,):
                for b in batch if layers * directions == 1 else (16,):
                    for which in ("training", "inference"):
                        yield turns.row_of(cell, "f32", h, b, 64, layers, directions, which)


def cuda_rows():
    """The most telling first: a run that is cut off has seen those."""
    for which in ("training", "inference"):
        for cell in ("lstm", "gru"):
            for hidden, batch in ((512, 64), (256, 32), (1024, 32), (650, 20)):
                yield turns.row_of(cell, "bf16", hidden, batch, 256, 1, 1, which)
    for dtype in ("f16", "tf32", "f32"):
        yield turns.row_of("lstm", dtype, 512, 64, 256, 1, 1, "training")
    yield turns.row_of("lstm", "bf16", 512, 64, 256, 4, 1, "training")
    yield turns.row_of("lstm", "bf16", 512, 64, 256, 1, 2, "training")


def prepare(row, device):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = row["dtype"] == "tf32"
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[row["cell"]]
    where = {"device": device, "dtype": DTYPES[row["dtype"]]}
    row["module"] = kind(row["input"], row["hidden"], row["layers"], bidirectional=row["directions"] == 2, **where)
    row["x"] = torch.randn(row["steps"], row["batch"], row["input"], requires_grad=True, **where)
    row["dy"] = torch.randn(row["steps"], row["batch"], row["hidden"] * row["directions"], **where)


def measure(args, row):
    prepare(row, args.device)
    torch_median_us(row, args.device, args.seconds / 4)  # warm up
    ours, theirs, algorithms = [], [], []
    for _ in range(args.rounds):
        theirs.append(torch_median_us(row, args.device, args.seconds))
        us, algorithm = (rondo_on_cuda if args.device == "cuda" else rondo_on_cpu)(args, row)
        ours.append(us)
        algorithms.append(algorithm)
    for key in ("module", "x", "dy"):
        del row[key]
    if args.device == "cuda":
        row["rondo_algorithm"] = max(set(algorithms), key=algorithms.count)
    turns.add_times(row, "pytorch", ours, theirs)


def write(args, rows, planned, commit):
    peer = {"name": "PyTorch", "version": torch.__version__}
    if args.device == "cpu":
        peer["OMP_WAIT_POLICY"] = os.environ["OMP_WAIT_POLICY"]
    turns.write(args.output, {
        "benchmark": f"{args.device}_rnn against PyTorch", "date": datetime.date.today().isoformat(), "commit": commit,
        "machine": turns.machine_of_torch(torch, args), "peer": peer,
        "command": " ".join(["bench/compare_pytorch.py"] + sys.argv[1:]),
        "summary": turns.summary_of(rows, planned), "rows": rows})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True, help="the built bench_cpu_rnn, or bench_cuda_rnn")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2, help="on a CPU")
    parser.add_argument("--seconds", type=float, default=0.4, help="of one burst")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds after which no row is begun")
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128, 256, 512, 1024], help="on a CPU")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 16, 32, 64], help="on a CPU")
    args = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    wanted = list(cuda_rows() if args.device == "cuda" else cpu_rows(args.hidden, args.batch))
    rows = []
    print(turns.HEAD)
    for row in wanted:
        if rows and time.monotonic() - began > args.limit:
            break
        measure(args, row)
        rows.append(row)
        write(args, rows, len(wanted), turns.commit())
        print(turns.line_of(row), flush=True)
    print(turns.closing_line(turns.summary_of(rows, len(wanted))))


if __name__ == "__main__":
    main()
