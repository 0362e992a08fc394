#!/usr/bin/env python3
"""Rondo's CPU backend beside oneDNN's RNN primitive, in turns in one run.

    bench/compare_onednn.py --program build/release/bench/bench_cpu_rnn --output results.json [--threads 2]

Needs a bench_cpu_rnn that was built where oneDNN 2.x is installed (Debian: libdnnl-dev). One layer, one direction,
f32, lstm and gru. Each row is measured in rounds: a burst of oneDNN, a burst of Rondo, and again; before each burst of
oneDNN its y and gradients are compared with Rondo's. Both put the weights into their own layout in every training call,
and once for inference; both get the same thread count, oneDNN with OMP_WAIT_POLICY=PASSIVE, as in the comparison with
PyTorch.
"""
import argparse
import datetime
import os
import sys

import turns


def rows_of(hidden, batch):
    for cell in ("lstm", "gru"):
        for h in hidden:
            for b in batch:
                for which in ("training", "inference"):
                    yield turns.row_of(cell, "f32", h, b, 64, 1, 1, which)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True, help="the built bench_cpu_rnn")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--threads", type=int, default=2, choices=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.4, help="of one burst")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64])
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    wanted, rows = list(rows_of(args.hidden, args.batch)), []
    print(turns.HEAD)
    for row in wanted:
        ours, theirs = [], []
        for _ in range(args.rounds):
            theirs.append(turns.benchmark_median_us(args.program, row, args.threads, args.seconds, "onednn/"))
            ours.append(turns.benchmark_median_us(args.program, row, args.threads, args.seconds))
        turns.add_times(row, "onednn", ours, theirs)
        rows.append(row)
        turns.write(args.output, {
            "benchmark": "cpu_rnn against oneDNN", "date": datetime.date.today().isoformat(), "commit": turns.commit(),
            "machine": turns.cpu_machine(args.threads), "load_average": os.getloadavg()[0],
            "peer": {"name": "oneDNN", "OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"]},
            "command": " ".join(["bench/compare_onednn.py"] + sys.argv[1:]),
            "summary": turns.summary_of(rows, len(wanted)), "rows": rows})
        print(turns.line_of(row), flush=True)
    print(turns.closing_line(turns.summary_of(rows, len(wanted))))


if __name__ == "__main__":
    main()
