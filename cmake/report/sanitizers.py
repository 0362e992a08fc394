"""compute-sanitizer's four tools over small shapes, each only believed once it has found a planted fault."""
import re
import time

from report import googletest

# Small shapes of every kernel. Left out: what fails on purpose, and what takes minutes under a tool.
SMALL = {"rondo_cuda_tests": ["CudaOperationsGpu.*", "CudaProductsGpu.*", "CudaGradientsGpu.EdgeExtents",
                              "CudaGradientsGpu.EdgeExtentsInBf16", "CudaSampleGpu.ExtremeLogits",
                              "CudaStreamsGpu.AStepIsCapturedAndReplayed",
                              "-CudaOperationsGpu.AddsMoreRowsThanASortTakes"],
         "rondo_lane_gpu_tests": ["DeviceLayerGpu.*", "-DeviceLayerGpu.ARefusedLaunchNamesTheKernel",
                                  "DeviceLayerGpu.BoundedWaitsEnd"]}
PLANTED = {"memcheck": "PlantedFaults.DISABLED_WritesBehindItsOutput",
           "racecheck": "PlantedFaults.DISABLED_LeavesOutABarrier",
           "initcheck": "PlantedFaults.DISABLED_ReadsWhatNobodyWrote",
           "synccheck": "PlantedFaults.DISABLED_MeetsNobodyAtABarrier"}
FOUND = 86  # what the sanitizer is told to end with when it found something


def check_names(source):
    """Every test named above is there: a filter that matches nothing passes, and proves nothing."""
    text = "".join(path.read_text(encoding="utf-8") for folder in ("tests/cuda", "tests/lane")
                   for path in (source / folder).glob("*.cpp"))
    there = {".".join(match) for match in re.findall(r"TEST(?:_F)?\((\w+), (\w+)\)", text)}
    for term in [term for terms in SMALL.values() for term in terms] + list(PLANTED.values()):
        suite = term.lstrip("-")
        if not any(name == suite or suite.endswith(".*") and name.startswith(suite[:-1]) for name in there):
            raise SystemExit(f"gpu_report: there is no test {suite}")


def found_something(ran):
    """By its exit code, or by its last words where the program's own failure took the exit code's place."""
    return ran.code == FOUND or re.search(r"SUMMARY: [1-9]", ran.text) is not None


def blamed(ran):
    """The kernels that were told of: a library's own may be what a tool does not understand."""
    kernels = dict.fromkeys(re.findall(r" at (?:void )?([\w:]+)[<(]", ran.text))
    return "FOUND ERRORS" + (" in " + ", ".join(list(kernels)[:3]) if kernels else "")


def run(context, limit):
    end = time.monotonic() + limit
    sanitizer = context.machine["compute_sanitizer"]
    if not sanitizer and not context.dry_run:
        return {"status": "failed", "says": "there is no compute-sanitizer"}
    tools, seen = [], True
    for i, (tool, fault) in enumerate(PLANTED.items()):
        share = (end - time.monotonic()) / (len(PLANTED) - i)
        begin = [sanitizer or "compute-sanitizer", "--tool", tool, "--error-exitcode", FOUND]
        if tool == "memcheck":
            begin += ["--report-api-errors", "no"]  # some tests ask for what is refused
        planted = context.run([*begin, context.program("rondo_lane_gpu_tests"), f"--gtest_filter={fault}",
                               "--gtest_also_run_disabled_tests"], min(60, share / 2))
        tools.append({"tool": tool, "planted fault": "found" if found_something(planted) else "NOT FOUND"})
        seen = seen and found_something(planted)
        stop = time.monotonic() + share / 2
        for name, terms in SMALL.items():
            words = ":".join(terms).replace(":-", "-", 1)
            ran = context.run([*begin, context.program(name), f"--gtest_filter={words}"], stop - time.monotonic())
            proven = sum(case["result"] == "ok" for case in googletest.cases(name, ran))
            tools[-1][name] = (blamed(ran) if found_something(ran) else "cut off" if ran.cut_off else
                               f"exit code {ran.code}" if ran.code else "clean") + f" ({proven} tests)"
            seen = seen and not found_something(ran) and (ran.cut_off or ran.code == 0 and proven > 0)
    cut = any("cut off" in str(tool) for tool in tools)
    return {"status": "failed" if not seen else "cut off" if cut else "passed",
            "says": "; ".join(", ".join(f"{key}: {value}" for key, value in tool.items()) for tool in tools),
            "tools": tools}
