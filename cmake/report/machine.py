"""What machine this is: GPU, tools, where the sources come from."""
import datetime
import os
import pathlib
import platform
import shutil
import subprocess
import sys

CUDA_PLACES = ["/usr/local/cuda/bin", "/opt/cuda/bin"]
FIELDS = ["name", "compute_cap", "driver_version", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm",
          "clocks.max.mem"]


def tool(name):
    """Where a tool lies, in PATH or where CUDA is usually put; None if nowhere."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(CUDA_PLACES))


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def gpu():
    """Of the first GPU, by nvidia-smi; None where there is none."""
    smi = tool("nvidia-smi")
    lines = output_of(smi, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader").splitlines() if smi else []
    values = [value.strip() for value in lines[0].split(",")] if lines else []
    return dict(zip(FIELDS, values)) if len(values) == len(FIELDS) else None


def commit(source):
    """The commit of the checkout, or what cmake/carry.sh wrote down where there is no history."""
    told = output_of("git", "-C", str(source), "describe", "--always", "--dirty", "--exclude=*")
    carried = source / ".carry" / "commit"
    return told or (carried.read_text(encoding="utf-8").strip() if carried.exists() else "unknown")


def torch():
    """Version of the PyTorch that sees this GPU, for the python that runs this; None where there is none."""
    asked = "import torch; print(torch.__version__ if torch.cuda.is_available() else '')"
    return output_of(sys.executable, "-c", asked) or None


def describe(source: pathlib.Path):
    nvcc = tool("nvcc")
    release = [line for line in output_of(nvcc, "--version").splitlines() if "release" in line] if nvcc else []
    return {"gpu": gpu(),
            "smi": tool("nvidia-smi"),
            "torch": torch(),
            "nvcc": nvcc,
            "toolkit": release[0].split("release")[1].strip() if release else None,
            "compute_sanitizer": tool("compute-sanitizer"),
            "host": platform.platform(),
            "cores": len(os.sched_getaffinity(0)),
            "commit": commit(source),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
