"""What the comparisons with a peer share: rounds in turns, summaries, files."""
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys


def commit():
    return subprocess.run(["git", "-C", pathlib.Path(__file__).parent, "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True).stdout.strip()


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def cpu_machine(threads):
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": threads}


def machine_of_torch(torch, args):
    if args.device == "cuda":
        return {"gpu": torch.cuda.get_device_name(), "toolkit": torch.version.cuda,
                "cudnn": torch.backends.cudnn.version()}
    return cpu_machine(args.threads)


def row_of(cell, dtype, hidden, batch, steps, layers, directions, which):
    return {"cell": cell, "dtype": dtype, "hidden": hidden, "input": hidden, "batch": batch, "steps": steps,
            "layers": layers, "directions": directions, "ragged": False, "pass": which}


def benchmark_median_us(program, row, threads, seconds, prefix=""):
    """Of a row of bench_cpu_rnn."""
    name = (f"{prefix}{row['cell']}/H{row['hidden']}/B{row['batch']}/T{row['steps']}/L{row['layers']}/"
            f"D{row['directions']}/{row['pass']}/threads{threads}/real_time")
    ran = subprocess.run([program, f"--benchmark_filter=^{name}$", "--benchmark_format=json",
                          f"--benchmark_min_time={seconds / 3}", "--benchmark_repetitions=3",
                          "--benchmark_report_aggregates_only=true"], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"{program}: {ran.stderr}")
    found = json.loads(ran.stdout)["benchmarks"]
    wrong = [entry["error_message"] for entry in found if entry.get("error_occurred")]
    if wrong:
        sys.exit(f"{program}: {name}: {wrong[0]}")
    medians = [entry["real_time"] for entry in found if entry.get("aggregate_name") == "median"]
    if len(medians) != 1:
        sys.exit(f"{program}: has no row {name}")
    return medians[0]


def add_times(row, peer, ours, theirs):
    """The medians of the bursts, their ratio, and the largest relative distance of a burst from its median."""
    us, them = statistics.median(ours), statistics.median(theirs)
    row.update(rondo_us=us, peer=peer, peer_us=them, ratio=them / us,
               spread=max(abs(v / m - 1) for values, m in ((ours, us), (theirs, them)) for v in values))


HEAD = (f"{'cell':5} {'dtype':5} {'pass':9} {'H':>5} {'B':>3} {'L':>2} {'D':>2} {'peer us':>12} {'Rondo us':>12} "
        f"{'ratio':>6}")


def line_of(row):
    return (f"{row['cell']:5} {row['dtype']:5} {row['pass']:9} {row['hidden']:5} {row['batch']:3} {row['layers']:2} "
            f"{row['directions']:2} {row['peer_us']:12.0f} {row['rondo_us']:12.0f} {row['ratio']:6.2f}")


def summary_of(rows, planned):
    ratios = [row["ratio"] for row in rows]
    return {"planned": planned, "rows": len(rows), "geometric_mean": math.exp(sum(map(math.log, ratios)) / len(ratios)),
            "minimum": min(ratios), "below_one": sum(ratio < 1 for ratio in ratios)}


def write(path, made):
    """Replaces the file at once: what is left of a run that was killed is never half a file."""
    part = pathlib.Path(f"{path}.part")
    part.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def closing_line(summary):
    return (f"geometric mean {summary['geometric_mean']:.2f}, minimum {summary['minimum']:.2f}, "
            f"{summary['below_one']} of {summary['rows']} rows below 1")
