"""Rondo beside PyTorch on the GPU: torch.nn.LSTM and torch.nn.GRU as people call them, and text written in a loop."""
import json
import sys
import time
from typing import NamedTuple

from report.context import told

COLUMNS = ["cell", "dtype", "hidden", "batch", "steps", "layers", "directions", "pass", "rondo_us", "peer_us", "ratio",
           "spread"]


class Comparison(NamedTuple):
    """A script in bench/ that writes rows with a ratio."""
    stage: str
    title: str
    script: str
    target: str   # what it runs
    program: str
    told: str     # beside the table
    columns: list


MODULES = Comparison("pytorch", "Rondo against PyTorch's modules", "compare_pytorch.py", "bench_cuda_rnn",
                     "bench_cuda_rnn", "eager, weights of the row's type; ratio: its time over Rondo's.",
                     COLUMNS + ["rondo_algorithm"])
GENERATION = Comparison("generation", "Text against PyTorch's loop", "compare_generation.py", "rondo_program", "rondo",
                        "embedding, layers, output layer and multinomial in a loop; microseconds of a token of all texts.",
                        COLUMNS + ["classes", "rondo_tokens_per_second", "peer_tokens_per_second"])


def run(comparison, context, limit):
    if not context.machine["torch"] and not context.dry_run:
        return {"status": "not run", "says": "no PyTorch that sees the GPU is installed"}
    if comparison.program == "rondo" and not context.has_program and not context.dry_run:
        return {"status": "not run", "says": "the program was not built"}
    end = time.monotonic() + limit
    ran = context.build_targets([comparison.target], limit)
    if ran.code != 0:
        return told(ran, f"building {comparison.target}")
    left = end - time.monotonic()
    result = context.out / f"{comparison.stage}.json"
    ran = context.run([sys.executable, context.source / "bench" / comparison.script, "--device", "cuda", "--program",
                       context.program(comparison.program), "--rounds", 2, "--limit", f"{left * 0.8:.0f}",
                       "--output", result], left)
    if not result.exists():
        return told(ran, comparison.script)
    found = json.loads(result.read_text(encoding="utf-8"))
    result.unlink()  # it is in report.json from now on
    summary = found["summary"]
    status = ("cut off" if ran.cut_off or ran.code == 0 and summary["rows"] < summary["planned"] else
              "passed" if ran.code == 0 else "failed")
    says = (f"{summary['rows']} of {summary['planned']} rows, geometric mean {summary['geometric_mean']:.2f}, "
            f"smallest {summary['minimum']:.2f}")
    return {"status": status, "summary": summary, "says": says, "found": found}


def table(comparison, report, cell):
    """Lines of Markdown; `cell` writes a value."""
    found = next((stage.get("found") for stage in report["stages"] if stage["name"] == comparison.stage), None)
    if not found:
        return []
    columns = comparison.columns
    lines = ["", f"## {comparison.title}", "", f"PyTorch {found['peer']['version']}, {comparison.told}", "",
             "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(cell(row[name]) for name in columns) + " |" for row in found["rows"]]
