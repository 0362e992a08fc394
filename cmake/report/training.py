"""Training end to end: the README's character model, and a word model of the Penn Treebank's size."""
import csv
import json
import random
import statistics
import subprocess
import sys
import time

from report.context import told

WORDS = 10000
# Fields of `rondo train --config`.
MODELS = {
    "characters": {"tokens": "characters", "hidden": 256, "layers": 2, "dropout": 0.2, "batch": 32, "window": 35,
                   "optimizer": "adam", "lr": 0.002, "clip": "norm", "clip_limit": 5},
    "words": {"tokens": "words", "vocabulary": WORDS, "hidden": 650, "layers": 2, "dropout": 0.5, "init": "uniform",
              "init_range": 0.05, "batch": 20, "window": 35, "reduction": "mean_of_batch", "optimizer": "sgd", "lr": 1,
              "clip": "norm", "clip_limit": 5}}
PRECISIONS = ["f32", "bf16"]
STEPS = {"steps": 600, "log_every": 20}
# On the emulated device, to see that it runs.
TINY = {"hidden": 8, "batch": 2, "window": 4, "steps": 12, "log_every": 1}


def synthetic_words(count, kinds=WORDS):
    """Lines of words that are as common as in a language: the n-th one in proportion to 1/n. Each is there at least
    once. The same text every time."""
    engine = random.Random(7)
    weights = [1 / (n + 1) for n in range(kinds)]
    words = [f"w{n}" for n in range(kinds)] + [f"w{n}" for n in engine.choices(range(kinds), weights, k=count - kinds)]
    engine.shuffle(words)
    return "\n".join(" ".join(words[i:i + 20]) for i in range(0, len(words), 20)) + "\n"


def own_sources(source):
    """Rondo's own text, as in cmake/demo.sh."""
    folders = [source / folder for folder in ("include", "host", "kernels", "tests")]
    paths = sorted(path for folder in folders for path in folder.rglob("*.?pp"))
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def rates(log, seconds="seconds"):
    """Tokens a second of the rows of log.csv, the first quarter left out."""
    with open(log, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = rows[len(rows) // 4:]
    made = [int(now["tokens"]) / (float(now[seconds]) - float(was[seconds])) for was, now in zip(rows, rows[1:])
            if float(now[seconds]) > float(was[seconds])]
    if not made:
        raise ValueError(f"{log}: too few rows")
    median = statistics.median(made)
    return {"tokens_per_second": median, "spread": max(abs(rate / median - 1) for rate in made),
            "first_loss": float(rows[0]["loss"]), "last_loss": float(rows[-1]["loss"])}


class MemoryWatch:
    """By how much the GPU's used memory rises while something runs, by nvidia-smi: CUDA's own context included."""

    def __init__(self, smi):
        self.process = subprocess.Popen(
            [smi, "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--loop-ms=100"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) if smi else None
        self.before = self.process.stdout.readline().strip() if smi else ""

    def stop(self):
        """Bytes; None where nobody told."""
        if self.process is None:
            return None
        self.process.terminate()
        used = [int(line) for line in self.process.communicate()[0].split() if line.isdigit()]
        return (max(used) - int(self.before)) * 2**20 if used and self.before.isdigit() else None


def train_rondo(context, program, config, path, limit):
    watch = MemoryWatch(context.machine["smi"])
    ran = context.run([program, "train", "--config", path], limit)
    peak = watch.stop()
    if ran.code != 0:
        return {"error": told(ran, "rondo train")["says"]}
    try:
        return {**rates(f"{config['out']}/log.csv"), "peak_bytes": peak}
    except (OSError, KeyError, ValueError) as error:
        return {"error": f"log.csv: {error}"}


def train_pytorch(context, path, limit):
    result = path.with_suffix(".pytorch.json")
    result.unlink(missing_ok=True)
    watch = MemoryWatch(context.machine["smi"])
    ran = context.run([sys.executable, context.source / "bench" / "train_pytorch.py", "--config", path, "--output",
                       result], limit)
    peak = watch.stop()
    if not result.exists():
        return {"error": told(ran, "train_pytorch.py")["says"]}
    return {**json.loads(result.read_text(encoding="utf-8")), "peak_bytes": peak}


def run(context, limit):
    end = time.monotonic() + limit
    if not context.has_program and not context.dry_run:
        return {"status": "not run",
                "says": "the program was not built: CLI11 or fmt is missing (cmake/carry.sh brings them)"}
    ran = context.build_targets(["rondo_program"], limit)
    if ran.code != 0:
        return told(ran, "building the program")
    folder = context.build / "training"
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"characters": own_sources(context.source), "words": synthetic_words(450000)}
    tiny = TINY if context.emulated else {}
    if context.emulated:
        texts = {"characters": texts["characters"][:3000], "words": synthetic_words(600, 50)}
    runs, cut = [], False
    for name, model in MODELS.items():
        text = folder / f"{name}.txt"
        text.write_text(texts[name], encoding="utf-8")
        for dtype in PRECISIONS:
            left = end - time.monotonic()
            if left < 10 and not context.dry_run:
                cut = True
                continue
            config = {**model, **STEPS, **tiny, "dtype": dtype, "train": str(text), "validation_fraction": 0,
                      "save_minutes": 0, "device": "cuda", "overwrite": True, "out": str(folder / f"{name}-{dtype}")}
            path = folder / f"{name}-{dtype}.json"
            path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
            entry = {"model": name, "dtype": dtype,
                     "rondo": train_rondo(context, context.program("rondo"), config, path, left / 2)}
            if context.machine["torch"] and not context.emulated:
                entry["pytorch"] = train_pytorch(context, path, left / 2)
            runs.append(entry)
    return {**verdict(runs, cut, context.machine["torch"]), "runs": runs}


def verdict(runs, cut, torch):
    failed = [f"{entry['model']} in {entry['dtype']}: {entry['rondo']['error']}" for entry in runs
              if "error" in entry["rondo"]]
    says = ", ".join(f"{entry['model']} in {entry['dtype']}: {entry['rondo']['tokens_per_second']:.3g} tokens/s"
                     for entry in runs if "error" not in entry["rondo"])
    says += "" if torch else "; PyTorch is not installed"
    return {"status": "failed" if failed or not runs else "cut off" if cut else "passed",
            "says": "; ".join([says] + failed)}


def table(report):
    """Lines of Markdown."""
    runs = next((stage.get("runs", []) for stage in report["stages"] if stage["name"] == "training"), [])
    if not runs:
        return []
    lines = ["", "## Training end to end", "",
             "`rondo train --device cuda`: the README's character model on Rondo's sources, and 650 x 2 over a "
             "synthetic text of 10,000 kinds of words (T = 35, B = 20). Memory: by how much the GPU's used memory "
             "rose, context included.",
             "", "| model | dtype | Rondo tokens/s | spread | memory | PyTorch tokens/s | spread | memory | ratio |",
             "|---|---|---|---|---|---|---|---|---|"]
    for entry in runs:
        ours, theirs = entry["rondo"], entry.get("pytorch", {"error": "not installed"})
        ratio = "" if "error" in ours or "error" in theirs else (
            f"{ours['tokens_per_second'] / theirs['tokens_per_second']:.2f}")
        lines.append(f"| {entry['model']} | {entry['dtype']} | {side(ours)} | {side(theirs)} | {ratio} |")
    return lines


def side(found):
    if "error" in found:
        return found["error"].replace("|", "/") + " | | "
    peak = f"{found['peak_bytes'] / 2**20:.0f} MiB" if found["peak_bytes"] is not None else "not told"
    return f"{found['tokens_per_second']:.4g} | {100 * found['spread']:.0f} % | {peak}"
