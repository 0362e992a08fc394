#!/usr/bin/env python3
"""The language model that `rondo train --config FILE` trains, in PyTorch, for its speed: the same file, the same words.

    bench/train_pytorch.py --config model.json --output pytorch.json [--device cuda]

Same text, batch, window, steps, dropout, optimizer, clipping and precision: f32 and tf32 as such, bf16 and f16 by
autocast over f32 parameters (f16 with a GradScaler). The state is carried from window to window. Tokens per second are
those of intervals of log_every steps, the first quarter left out; the device is waited for at their ends alone.
"""
import argparse
import collections
import contextlib
import itertools
import json
import pathlib
import statistics
import time

import torch

KNOWN = {"train", "validation_fraction", "tokens", "vocabulary", "cell", "hidden", "layers", "dropout", "dtype", "init",
         "init_range", "batch", "window", "reduction", "optimizer", "lr", "clip", "clip_limit", "steps", "log_every",
         "out", "device", "overwrite", "save_minutes", "seed"}


class LanguageModel(torch.nn.Module):
    def __init__(self, classes, config):
        super().__init__()
        width, rate = config["hidden"], config.get("dropout", 0)
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[config.get("cell", "lstm")]
        self.embedding = torch.nn.Embedding(classes, width)
        self.dropout = torch.nn.Dropout(rate)
        self.stack = kind(width, width, config["layers"], dropout=rate if config["layers"] > 1 else 0)
        self.output = torch.nn.Linear(width, classes)
        if config.get("init") == "uniform":
            for parameter in self.parameters():
                torch.nn.init.uniform_(parameter, -config["init_range"], config["init_range"])

    def forward(self, tokens, state):
        y, state = self.stack(self.dropout(self.embedding(tokens)), state)
        return self.output(self.dropout(y)), state


def read_streams(config):
    """Tokens [T, B], and how many kinds there are."""
    text = pathlib.Path(config["train"]).read_text(encoding="utf-8")
    items = text.replace("\n", " <eos> ").split() if config["tokens"] == "words" else text
    kinds = collections.Counter(items).most_common(config.get("vocabulary") or None)
    ids = {item: i for i, (item, _) in enumerate(kinds)}
    tokens = torch.tensor([ids.get(item, 0) for item in items])
    steps = len(tokens) // config["batch"]
    return tokens[:steps * config["batch"]].view(config["batch"], steps).t().contiguous(), len(ids)


def windows(streams, length):
    """(inputs, targets, whether a pass over the text begins), for ever."""
    for _ in itertools.count():
        for begin in range(0, len(streams) - 1, length):
            end = min(begin + length, len(streams) - 1)
            yield streams[begin:end], streams[begin + 1:end + 1], begin == 0


def precision(dtype, device):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype == "tf32"
    if dtype in ("f32", "tf32"):
        return contextlib.nullcontext, None
    kind = {"bf16": torch.bfloat16, "f16": torch.float16}[dtype]
    scaler = torch.cuda.amp.GradScaler() if dtype == "f16" else None
    return lambda: torch.autocast(device.type, dtype=kind), scaler


def update(model, optimizer, scaler, loss, config):
    optimizer.zero_grad(set_to_none=True)
    if scaler is None:
        loss.backward()
    else:
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
    if config.get("clip", "norm") == "norm":
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.get("clip_limit", 5))
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()


def train(config, device):
    torch.manual_seed(config.get("seed", 1))
    streams, classes = read_streams(config)
    streams = streams.to(device)
    model = LanguageModel(classes, config).to(device)
    rule = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[config["optimizer"]]
    optimizer = rule(model.parameters(), lr=config["lr"])
    autocast, scaler = precision(config.get("dtype", "f32"), device)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    state, marks, tokens, losses = None, [], 0, []
    for step, (x, target, first) in enumerate(windows(streams, config["window"])):
        if step % config["log_every"] == 0:
            wait()
            marks.append((time.perf_counter(), tokens))
        if step == config["steps"]:
            break
        if first:
            state = None
        with autocast():
            logits, state = model(x, state)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), target.flatten())
        losses.append(loss.detach())
        update(model, optimizer, scaler, loss * len(x) if config.get("reduction") == "mean_of_batch" else loss, config)
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        tokens += target.numel()
    marks = marks[len(marks) // 4:]
    rates = [(n - m) / (t - s) for (s, m), (t, n) in zip(marks, marks[1:])]
    median = statistics.median(rates)
    return {"torch": torch.__version__, "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "parameters": sum(parameter.numel() for parameter in model.parameters()), "classes": classes,
            "tokens_per_second": median, "spread": max(abs(rate / median - 1) for rate in rates),
            "first_loss": float(losses[0]), "last_loss": float(losses[-1]),
            "peak_bytes": torch.cuda.max_memory_reserved() if device.type == "cuda" else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", required=True, help="as rondo train takes it")
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    config = json.loads(pathlib.Path(args.config).read_text(encoding="utf-8"))
    if set(config) - KNOWN:
        parser.error(f"{args.config}: {', '.join(sorted(set(config) - KNOWN))} would be another model in PyTorch")
    if config["steps"] // config["log_every"] < 4:
        parser.error("steps must be at least four times log_every: the first quarter is left out")
    result = train(config, torch.device(args.device))
    pathlib.Path(args.output).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['tokens_per_second']:.0f} tokens/s, loss {result['first_loss']:.3f} -> {result['last_loss']:.3f}")


if __name__ == "__main__":
    main()
