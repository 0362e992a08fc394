"""The GPU's own figures that the persistent kernels hang on, each beside what their model assumes."""
import json
import time

from report.context import told

SECONDS = 120  # more than all of it takes
FILE = "micro.json"


def run(context, limit):
    end = time.monotonic() + limit
    ran = context.build_targets(["bench_gpu_micro"], limit)
    if ran.code != 0:
        return told(ran, "building bench_gpu_micro")
    left = min(end - time.monotonic(), SECONDS)
    result = context.out / FILE
    ran = context.run([context.program("bench_gpu_micro"), "--seconds", f"{left * 0.8:.0f}", "--output",
                       result, "--commit", context.machine["commit"], *(["--tiny"] if context.emulated else [])], left)
    if not result.exists():
        return told(ran, "the microbenchmarks")
    found = json.loads(result.read_text(encoding="utf-8"))
    wrong = [f"{figure['of']}, {figure['case']}: {figure['error']}" for figure in found["figures"] if "error" in figure]
    says = f"{len(found['figures'])} figures of {found['groups']} of {found['groups_planned']} groups"
    if wrong:
        says += f", {len(wrong)} without a value: " + "; ".join(wrong[:3])
    cut = ran.cut_off or found["groups"] < found["groups_planned"]
    return {"status": "failed" if wrong or ran.code not in (0, None) else "cut off" if cut else "passed", "says": says}


def table(out):
    """Lines of Markdown; none where nothing was measured."""
    if not (out / FILE).exists():
        return []
    found = json.loads((out / FILE).read_text(encoding="utf-8"))
    lines = ["", "## What the persistent kernels hang on", "", found["method"], "",
             "| | case | measured | spread | cycles | follows | the model assumes |", "|---|---|---|---|---|---|---|"]
    for figure in found["figures"]:
        value = f"{figure['value']:.3g} {figure['unit']}" if figure["value"] is not None else figure.get(
            "error", "no time is kept").replace("|", "/")
        spread = f"{100 * figure['spread']:.1f} %" if figure["spread"] is not None else ""
        cycles = f"{figure['cycles']:.0f}" if "cycles" in figure else ""
        rate = f"{figure['rate']:.3g} {figure['rate_unit']}" if "rate" in figure else ""
        lines.append(f"| {figure['of']} | {figure['case']} | {value} | {spread} | {cycles} | {rate} | "
                     f"{figure['assumed']} |")
    return lines
