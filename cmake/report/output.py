"""The report's files, written again after every stage."""
import json
import pathlib
import xml.etree.ElementTree as xml

from report import plot

COLUMNS = ["cell", "dtype", "hidden", "batch", "steps", "layers", "directions", "ragged", "pass", "rondo_us",
           "rondo_algorithm", "cudnn_us", "cudnn_algorithm", "ratio", "spread"]


def write(out: pathlib.Path, report, missing):
    benchmark = out / "benchmark.json"
    rows = json.loads(benchmark.read_text(encoding="utf-8")) if benchmark.exists() else {"rows": []}
    cases = [case for stage in report["stages"] for case in stage.get("cases", [])]
    plotted = plot.ratios(rows["rows"], out / "ratio.png") if rows["rows"] else "no rows to plot"
    replace(out / "junit.xml", junit(cases))
    replace(out / "report.json", json.dumps({**report, "missing": missing, "plot": plotted}, indent=1) + "\n")
    replace(out / "summary.md", summary(report, missing, rows, plotted))


def replace(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


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


def summary(report, missing, benchmark, plotted):
    machine = report["machine"]
    gpu = machine["gpu"] or {"name": "none"}
    lines = ["# Rondo on a GPU", "",
             f"{machine['date']}, commit {machine['commit']}" + (", **dry run: nothing was run**" if report["dry_run"]
                                                                 else ""), "",
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
    lines += ["", f"Plot: {plotted}.", "", "## Not measured or proven yet", ""] + [f"- {item}" for item in missing]
    return "\n".join(lines) + "\n"


def cell(value):
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value:.0f}" if isinstance(
        value, float) else str(value)
