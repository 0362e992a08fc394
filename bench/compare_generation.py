#!/usr/bin/env python3
"""Text written by Rondo and by PyTorch's loop, in turns in one run: on a CPU, or on a GPU.

    bench/compare_generation.py --program build/release/rondo --output results.json [--threads 2]
    bench/compare_generation.py --device cuda --program build/cuda/rondo --output results.json

A language model of random weights (embedding, recurrent layers, output layer, sampling at temperature 1) writes `steps`
tokens of each of B texts beside each other. Rondo: `rondo generate --timing`, what comes in the second half. PyTorch:
the same modules in a loop under inference_mode, softmax and multinomial, the tokens left on the device until all are
there; also the second half. Microseconds are those of a step, a token of every text. Rounds and spread as in
compare_pytorch.py.
Needs torch (Debian: python3-torch).
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
import torch  # noqa: E402

import turns  # noqa: E402

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def rows_of(args):
    """The most telling first: a run that is cut off has seen those."""
    dtypes = ["f32"] if args.device == "cpu" else ["bf16", "f32"]
    for dtype in dtypes:
        for hidden, layers, cell in ((512, 2, "lstm"), (256, 1, "lstm"), (1024, 2, "gru")):
            for texts in (1, 64):
                row = turns.row_of(cell, dtype, hidden, texts, args.tokens, layers, 1, "generation")
                yield {**row, "classes": args.classes}


def run(args, words):
    ran = subprocess.run([args.program, *map(str, words)], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"compare_generation: {args.program}: {ran.stderr}")


def make_model(args, row, folder):
    """A checkpoint of a model after one step."""
    engine = random.Random(7)
    words = [f"w{n}" for n in range(row["classes"] - 2)]
    text = folder / "text"
    lines = [" ".join(engine.choices(words, k=8) + words[i:i + 8]) for i in range(0, len(words), 8)]
    text.write_text("\n".join(lines), encoding="utf-8")
    run(args, ["train", "--train", text, "--tokens", "words", "--validation-fraction", 0, "--cell", row["cell"],
               "--hidden", row["hidden"], "--layers", row["layers"], "--dtype", row["dtype"], "--batch", 1, "--window", 4,
               "--steps", 1, "--device", args.device, "--out", folder / "run", "--overwrite"])


def rondo_us(args, row, folder):
    timing = folder / "timing.json"
    run(args, ["generate", "--checkpoint", folder / "run", "--length", 2 * row["steps"], "--texts", row["batch"],
               "--device", args.device, "--threads", args.threads, "--timing", timing])
    seconds = tokens = done = 0
    for piece in json.loads(timing.read_text(encoding="utf-8")):
        if done + piece["tokens"] > row["steps"]:
            tokens += piece["tokens"]
            seconds += piece["seconds"]
        done += piece["tokens"]
    return seconds / tokens * 1e6


class Loop:
    def __init__(self, args, row):
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[row["cell"]]
        where = {"device": args.device, "dtype": DTYPES[row["dtype"]]}
        self.embedding = torch.nn.Embedding(row["classes"], row["hidden"], **where)
        self.stack = kind(row["hidden"], row["hidden"], row["layers"], **where)
        self.output = torch.nn.Linear(row["hidden"], row["classes"], **where)
        self.begin = torch.zeros(1, row["batch"], dtype=torch.long, device=args.device)
        self.wait = torch.cuda.synchronize if args.device == "cuda" else lambda: None

    def write(self, steps, ids, state):
        written = []
        for _ in range(steps):
            y, state = self.stack(self.embedding(ids), state)
            ids = torch.multinomial(torch.softmax(self.output(y[0]).float(), 1), 1).t()
            written.append(ids)
        return torch.cat(written).cpu(), ids, state

    def us(self, steps):
        with torch.inference_mode():
            _, ids, state = self.write(steps, self.begin, None)
            self.wait()
            began = time.perf_counter()
            self.write(steps, ids, state)
            return (time.perf_counter() - began) / steps * 1e6


def measure(args, row):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_model(args, row, folder)
        loop = Loop(args, row)
        ours, theirs = [], []
        for _ in range(args.rounds):
            theirs.append(loop.us(row["steps"]))
            ours.append(rondo_us(args, row, folder))
    turns.add_times(row, "pytorch", ours, theirs)
    for side in ("rondo", "peer"):
        row[f"{side}_tokens_per_second"] = row["batch"] / row[f"{side}_us"] * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True, help="the built rondo")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2, help="on a CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=512, help="of a text, that are timed")
    parser.add_argument("--classes", type=int, default=10000)
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds after which no row is begun")
    args = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    wanted, rows = list(rows_of(args)), []
    print(turns.HEAD)
    for row in wanted:
        if rows and time.monotonic() - began > args.limit:
            break
        measure(args, row)
        rows.append(row)
        turns.write(args.output, {
            "benchmark": f"{args.device} generation against PyTorch", "date": datetime.date.today().isoformat(),
            "commit": turns.commit(), "machine": turns.machine_of_torch(torch, args),
            "peer": {"name": "PyTorch", "version": torch.__version__},
            "command": " ".join(["bench/compare_generation.py"] + sys.argv[1:]),
            "summary": turns.summary_of(rows, len(wanted)), "rows": rows})
        print(turns.line_of(row), flush=True)
    print(turns.closing_line(turns.summary_of(rows, len(wanted))))


if __name__ == "__main__":
    main()
