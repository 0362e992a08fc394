"""The stages of the report, most important first. Each says how it went: passed, failed, cut off, not run, and why."""
import functools
import json
import re
import time

from report import build, googletest, micro, pytorch, sanitizers, training
from report.context import told

MISSING = [
    "large shapes with a projection, a cell clip, fewer biases or carried states",
    "rnn_relu and a clipped cell in tf32, f16 and bf16, where two right programs fall on different sides of the kink",
    "parity with PERSIST_DYNAMIC, which is compiled for every case",
]

TESTS = ["rondo_cuda_tests", "rondo_lane_gpu_tests"]
# What of them takes a second on the emulated device, which runs all of them in the checks.
EMULATED_TESTS = {"rondo_cuda_tests": "CudaOperationsGpu.Adds:CudaGradientsGpu.EdgeExtents",
                  "rondo_lane_gpu_tests": "DeviceLayerGpu.*"}
NOT_EMULATED = {"sanitizers": "there is no compute-sanitizer for the emulated device",
                "parity": "cuDNN needs a GPU", "benchmark": "cuDNN needs a GPU", "loops": "time needs a GPU",
                "pytorch": "PyTorch needs a GPU", "generation": "PyTorch needs a GPU"}


def run(name, context, limit):
    function = STAGES[name][2]
    if context.emulated and name in NOT_EMULATED:
        return {"status": "not run", "says": NOT_EMULATED[name]}
    if context.dry_run:
        function(context, limit)
        return {"status": "not run", "says": "dry run"}
    if limit < 5:
        return {"status": "not run", "says": "no time is left"}
    return function(context, limit)


def configure_and_build(context, limit):
    sanitizers.check_names(context.source)
    if context.emulated:
        return {"status": "passed", "says": "built already, for the emulated device"}
    end = time.monotonic() + limit
    ran = context.run(build.configuration(context.source, context.build, context.machine), limit)
    if ran.code == 0:
        context.machine["found"] = re.findall(r"-- ((?:CUDA|cuDNN|GoogleTest|Benchmarks): .*)", ran.text)
        ran = context.build_targets(TESTS, end - time.monotonic())
    result = told(ran, f"built for {build.architecture(context.machine)}")
    if result["status"] == "passed":
        return result
    error = re.search(r"CMake Error.*?(?=\n\n\S|\Z)", ran.text, re.DOTALL)
    if error:
        result["says"] += ": " + " ".join(error.group().split())[:500]
    if not (context.source / ".carry").exists():
        result["says"] += " (there is no .carry/, which cmake/carry.sh fills where there are packages)"
    return {**result, "status": "failed"}


def gpu_tests(context, limit):
    end = time.monotonic() + limit
    cases = []
    for name in TESTS:
        chosen = EMULATED_TESTS[name] if context.emulated else "*Gpu*"
        ran = context.run([context.program(name), f"--gtest_filter={chosen}", "--gtest_list_tests"], 60)
        listed = googletest.listed(ran)
        cases += every_case(context, name, listed, end) if listed else googletest.cases(name, ran)
    return {**googletest.verdict(cases), "cases": cases}


def every_case(context, program, waiting, end):
    """An error of a kernel stays with its process and spoils every test that follows: they start anew in another."""
    made = []
    while waiting:
        ran = context.run([context.program(program), "--gtest_filter=" + ":".join(waiting), "--gtest_fail_fast"],
                          end - time.monotonic())
        some = googletest.cases(program, ran)
        bad = next((i for i, case in enumerate(some) if case["result"] not in ("ok", "skipped")), len(some))
        made += some[:bad + 1]
        told = {case["name"] for case in some[:bad + 1]}
        left = [name for name in waiting if name not in told]
        if ran.cut_off or len(left) == len(waiting):
            result = "interrupted" if ran.cut_off else "failed"
            return made + [{"program": program, "name": name, "result": result, "ms": 0} for name in left]
        waiting = left
    return made


def build_benchmark(context, limit):
    """None, or why there is none."""
    ran = context.build_targets(["bench_cuda_rnn"], limit)
    return None if ran.code == 0 else told(ran, "building bench_cuda_rnn (which needs cuDNN)")


def parity(context, limit):
    end = time.monotonic() + limit
    refusal = build_benchmark(context, limit)
    if refusal:
        return refusal
    left = end - time.monotonic()
    result = context.out / "parity.json"
    ran = context.run([context.program("bench_cuda_rnn"), "--parity", 5000, "--seconds", f"{left * 0.95:.0f}",
                       "--output", result, "--commit", context.machine["commit"]], left)
    if not result.exists():
        return told(ran, "parity")
    found = json.loads(result.read_text(encoding="utf-8"))
    result.unlink()  # it is in report.json from now on
    summary = found["summary"]
    cut = ran.cut_off or summary["run"] < summary["planned"]
    return {"status": "failed" if summary["failed"] or not summary["compared"] or ran.code not in (0, None) else
            "cut off" if cut else "passed", "says": ", ".join(f"{n} {what}" for what, n in summary.items()),
            "summary": summary, "failed": found.get("failed"), "worst": found.get("worst")}


def benchmark(context, limit):
    end = time.monotonic() + limit
    refusal = build_benchmark(context, limit)
    if refusal:
        return refusal
    left = end - time.monotonic()
    grid = context.grid or ("full" if left >= 400 else "short")
    result = context.out / "benchmark.json"
    ran = context.run([context.program("bench_cuda_rnn"), "--grid", grid, "--seconds", f"{left * 0.95:.0f}",
                       "--output", result, "--commit", context.machine["commit"]], left)
    if not result.exists():
        return told(ran, f"the {grid} grid")
    summary = json.loads(result.read_text(encoding="utf-8"))["summary"]
    says = f"{grid} grid: {summary['rows']} of {summary['planned']} rows"
    if "geometric_mean" in summary:
        says += f", geometric mean {summary['geometric_mean']:.2f}, smallest {summary['minimum']:.2f}"
    # Exit code 1: some row has no ratio; the file says why.
    status = "cut off" if ran.cut_off else "passed" if ran.code == 0 else "failed"
    return {"status": status, "says": says, "summary": summary}


def loops(context, limit):
    """Every way to take a time loop's steps beside the others, for host/cuda/loop_choice.cpp."""
    end = time.monotonic() + limit
    refusal = build_benchmark(context, limit)
    if refusal:
        return refusal
    left = end - time.monotonic()
    result = context.out / "loops.json"
    ran = context.run([context.program("bench_cuda_rnn"), "--grid", "loops", "--alone", "--seconds", f"{left * 0.95:.0f}",
                       "--output", result, "--commit", context.machine["commit"]], left)
    if not result.exists():
        return told(ran, "the grid of loops")
    summary = json.loads(result.read_text(encoding="utf-8"))["summary"]
    return {"status": "cut off" if ran.cut_off else "passed" if ran.code == 0 else "failed",
            "says": f"{summary['rows']} of {summary['planned']} rows", "summary": summary}


# name: title, share of the time that is left, function
STAGES = {"build": ("Build", 0.5, configure_and_build),
          "tests": ("GPU tests", 0.35, gpu_tests),
          "sanitizers": ("compute-sanitizer", 0.4, sanitizers.run),
          "parity": ("Parity with cuDNN", 0.25, parity),
          "benchmark": ("Benchmark against cuDNN", 0.65, benchmark),
          "loops": ("Ways to take a time loop's steps", 0.3, loops),
          "micro": ("Microbenchmarks", 0.5, micro.run),
          "training": ("Training end to end", 0.6, training.run),
          "pytorch": ("PyTorch's modules", 0.6, functools.partial(pytorch.run, pytorch.MODULES)),
          "generation": ("Text against PyTorch's loop", 1.0, functools.partial(pytorch.run, pytorch.GENERATION))}
