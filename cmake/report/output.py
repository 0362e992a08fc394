"""The report's files, written again after every stage."""
import collections
import json
import pathlib
import xml.etree.ElementTree as xml

from report import micro, plot, pytorch, training

FILES = ["report.json", "summary.md", "junit.xml", "parity.json", "benchmark.json", "loops.json", "micro.json",
         "pytorch.json", "generation.json", "ratio.png", "ratio.svg", "log.txt"]  # those in report.json by the end as well
MOST = 15 * 2**20  # bytes of a file
COLUMNS = ["cell", "dtype", "hidden", "batch", "steps", "layers", "directions", "ragged", "pass", "rondo_us",
           "rondo_algorithm", "cudnn_us", "cudnn_algorithm", "ratio", "spread"]


def write(out: pathlib.Path, report, missing):
    benchmark = out / "benchmark.json"
    rows = json.loads(benchmark.read_text(encoding="utf-8")) if benchmark.exists() else {"rows": []}
    cases = [case for stage in report["stages"] for case in stage.get("cases", [])]
    plotted = plot.ratios(rows["rows"], out) if rows["rows"] else "no rows to plot"
    replace(out / "junit.xml", junit(cases))
    replace(out / "report.json", json.dumps({**report, "missing": missing, "plot": plotted}, indent=1) + "\n")
    cut_log(out / "log.txt")
    replace(out / "summary.md", summary(report, missing, rows, plotted, out))


def replace(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def cut_log(path):
    """Keeps the end of a log that has become too long to be carried away."""
    if path.exists() and path.stat().st_size > MOST:
        with open(path, "rb") as file:
            file.seek(-MOST // 2, 2)
            path.write_bytes(b"(its beginning was cut off)\n" + file.read())


def junit(cases):
    root = xml.Element("testsuites")
    for program in dict.fromkeys(case["program"] for case in cases):
        own = [case for case in cases if case["program"] == program]
        suite = xml.SubElement(root, "testsuite", name=program, tests=str(len(own)),
                               failures=str(sum(case["result"] in ("failed", "interrupted") for case in own)),
                               skipped=str(sum(case["result"] == "skipped" for case in own)))
        for case in own:
            classname, _, name = case["name"].partition(".")
            element = xml.SubElement(suite, "testcase", classname=classname, name=name, time=str(case["ms"] / 1000))
            if case["result"] != "ok":
                xml.SubElement(element, "skipped" if case["result"] == "skipped" else "failure", message=case["result"])
    xml.indent(root)
    return xml.tostring(root, encoding="unicode") + "\n"


KINDS = {"dry": ", **dry run: nothing was run**", "gpu": "",
         "emulated": ", **on an emulated device: nothing here is a time or a proof of a GPU**"}


def kind_of(report):
    return "dry" if report["dry_run"] else "emulated" if report["emulated"] else "gpu"


def summary(report, missing, benchmark, plotted, out):
    machine = report["machine"]
    gpu = machine["gpu"] or {"name": "none"}
    lines = ["# Rondo on a GPU", "",
             f"{machine['date']}, commit {machine['commit']}" + KINDS[kind_of(report)], "",
             f"- GPU: {', '.join(f'{value} ({key})' if key != 'name' else value for key, value in gpu.items())}",
             f"- toolkit: {machine['toolkit']}; {'; '.join(machine.get('found', []))}",
             f"- host: {machine['host']}, {machine['cores']} cores", "",
             "| stage | went | seconds | |", "|---|---|---|---|"]
    lines += [f"| {stage['title']} | {stage['status']} | {stage['seconds']:.0f} | "
              + stage["says"].replace("|", "/") + " |" for stage in report["stages"]]
    if benchmark["rows"]:
        told = benchmark["summary"]
        lines += ["", "## Rondo against cuDNN's best algorithm", "",
                  f"{told['rows']} of {told['planned']} rows; ratio: cuDNN's time over Rondo's, geometric mean "
                  f"{told['geometric_mean']:.2f}, smallest {told['minimum']:.2f}, {told['below_one']} below one. "
                  + benchmark["method"], "", "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
        lines += ["| " + " | ".join(cell(row[name]) for name in COLUMNS) + " |" for row in benchmark["rows"]]
    for entry in benchmark.get("details", []):
        if entry["row"] in benchmark.get("incomplete", []):
            why = entry.get("error") or next((c["error"] for c in entry["rondo"] + entry["cudnn"] if "error" in c), "?")
            lines.append(f"- no ratio: {entry['row']}: {why}")
    lines += best_of_cudnn(benchmark) + parts_table(benchmark) + micro.table(out) + training.table(report)
    for comparison in (pytorch.MODULES, pytorch.GENERATION):
        lines += pytorch.table(comparison, report, cell)
    lines += ["", f"Plot: {plotted}.", "", "## Not measured or proven yet", ""] + [f"- {item}" for item in missing]
    return "\n".join(lines) + "\n"


def best_of_cudnn(benchmark):
    """Which of cuDNN's algorithms is fastest where: what Rondo's policies are up against."""
    rows = benchmark["rows"]
    if not rows:
        return []
    counts = collections.Counter(row["cudnn_algorithm"] for row in rows)
    lines = ["", "## cuDNN's fastest algorithm", "",
             ", ".join(f"{name}: {n} rows" for name, n in counts.most_common()) + ". In a cell, with one layer, one "
             "direction and T = 256: its microseconds a step.", ""]
    for cell_name, dtype, which in dict.fromkeys((row["cell"], row["dtype"], row["pass"]) for row in rows):
        some = {(row["hidden"], row["batch"]): row for row in rows
                if (row["cell"], row["dtype"], row["pass"]) == (cell_name, dtype, which)
                and (row["layers"], row["directions"], row["steps"], row["ragged"]) == (1, 1, 256, False)}
        batches = sorted({batch for _, batch in some})
        if not some:
            continue
        lines += [f"{cell_name} {dtype} {which}", "", "| H | " + " | ".join(f"B={batch}" for batch in batches) + " |",
                  "|" + "---|" * (len(batches) + 1)]
        for hidden in sorted({hidden for hidden, _ in some}):
            cells = [f"{row['cudnn_algorithm']} {row['cudnn_us'] / 256:.2f}" if row else ""
                     for row in (some.get((hidden, batch)) for batch in batches)]
            lines.append(f"| {hidden} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def parts_table(benchmark):
    """Rondo's parts and both sides' memory, of the rows that have them."""
    told = [entry for entry in benchmark.get("details", []) if entry.get("parts")]
    if not told:
        return []
    lines = ["", "## Rondo's parts beside their bounds, and memory", "",
             "Times in microseconds, in brackets the share of the time that the bound is; memory in MiB: parameters, "
             "workspace, reserve / by how much the GPU's free memory fell. cuDNN's are its greediest algorithm's.", ""]
    names = list(dict.fromkeys(part["name"] for entry in told for part in entry["parts"]))
    lines += ["| row | " + " | ".join(names) + " | Rondo's memory | cuDNN's |", "|" + "---|" * (len(names) + 3)]
    for entry in told:
        parts = {part["name"]: part for part in entry["parts"]}
        lines.append(f"| {entry['row']} | " + " | ".join(part_cell(parts.get(name)) for name in names)
                     + f" | {memory_cell(entry['rondo_bytes'])} | {memory_cell(entry['cudnn_bytes'])} |")
    return lines


def part_cell(part):
    if part is None:
        return ""
    if "error" in part:
        return part["error"].replace("|", "/")
    ratio = "no bound known" if part["ratio"] is None else f"{part['ratio']:.2f}"
    return f"{cell(float(part['us']))} ({ratio})"


def memory_cell(memory):
    named = ", ".join(f"{memory[name] / 2**20:.1f}" for name in ("parameters", "workspace", "reserve"))
    return f"{named} / {memory['peak'] / 2**20:.1f}"


def cell(value):
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value:.0f}" if isinstance(
        value, float) else str(value)
