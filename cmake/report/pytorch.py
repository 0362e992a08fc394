"""Rondo beside torch.nn.LSTM and torch.nn.GRU on the GPU, as people call them."""
import json
import sys
import time

from report.context import told

FILE = "pytorch.json"
COLUMNS = ["cell", "dtype", "hidden", "batch", "steps", "layers", "directions", "pass", "rondo_us", "rondo_algorithm",
           "peer_us", "ratio", "spread"]


def run(context, limit):
    if not context.machine["torch"] and not context.dry_run:
        return {"status": "not run", "says": "no PyTorch that sees the GPU is installed"}
    end = time.monotonic() + limit
    ran = context.build_targets(["bench_cuda_rnn"], limit)
    if ran.code != 0:
        return told(ran, "building bench_cuda_rnn (which needs cuDNN)")
    left = end - time.monotonic()
    result = context.out / FILE
    ran = context.run([sys.executable, context.source / "bench" / "compare_pytorch.py", "--device", "cuda", "--program",
                       context.program("bench_cuda_rnn"), "--rounds", 2, "--limit", f"{left * 0.8:.0f}",
                       "--output", result], left)
    if not result.exists():
        return told(ran, "compare_pytorch.py")
    summary = json.loads(result.read_text(encoding="utf-8"))["summary"]
    status = ("cut off" if ran.cut_off or ran.code == 0 and summary["rows"] < summary["planned"] else
              "passed" if ran.code == 0 else "failed")
    says = (f"{summary['rows']} of {summary['planned']} rows, geometric mean {summary['geometric_mean']:.2f}, "
            f"smallest {summary['minimum']:.2f}")
    return {"status": status, "summary": summary, "says": says}


def table(out, cell):
    """Lines of Markdown; `cell` writes a value."""
    if not (out / FILE).exists():
        return []
    found = json.loads((out / FILE).read_text(encoding="utf-8"))
    lines = ["", "## Rondo against PyTorch's modules", "",
             f"PyTorch {found['peer']['version']}, eager, weights of the row's type; ratio: its time over Rondo's.", "",
             "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    return lines + ["| " + " | ".join(cell(row[name]) for name in COLUMNS) + " |" for row in found["rows"]]
