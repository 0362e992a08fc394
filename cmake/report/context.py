"""What every stage is given, and how it says how it went."""
import dataclasses
import pathlib

from report import build, process

PROGRAMS = {"rondo_cuda_tests": "tests", "rondo_lane_gpu_tests": "tests/lane/kernels", "bench_cuda_rnn": "bench",
            "bench_gpu_micro": "bench", "rondo": "bin"}
# The same on the emulated device. cuDNN and compute-sanitizer have no such thing.
EMULATED = {"rondo_cuda_tests": "rondo_lane_engine_tests", "rondo_lane_gpu_tests": "rondo_lane_tests",
            "bench_gpu_micro": "rondo_emulated_micro", "rondo": "rondo_emulated"}


@dataclasses.dataclass
class Context:
    source: pathlib.Path
    build: pathlib.Path
    out: pathlib.Path
    machine: dict
    grid: str
    jobs: int
    dry_run: bool
    deadline: float
    emulated: pathlib.Path = None  # folder of the programs on the emulated device, which are built already

    def run(self, command, limit):
        command = [str(word) for word in command]
        if self.dry_run:
            with open(self.out / "log.txt", "a", encoding="utf-8") as log:
                log.write("would run: " + " ".join(command) + "\n")
            return process.Ran(0, "")
        return process.run(command, self.out / "log.txt", limit)

    @property
    def has_program(self):
        return self.emulated is not None or build.can_build_program(self.source)

    def build_targets(self, targets, limit):
        if self.emulated:
            return process.Ran(0, "")
        return self.run(["cmake", "--build", self.build, "--target", *targets, "--parallel",
                         self.jobs or self.machine["cores"]], limit)

    def program(self, name):
        return self.emulated / EMULATED[name] if self.emulated else self.build / PROGRAMS[name] / name


def told(ran, what):
    """The status of a command that either works or does not."""
    if ran.cut_off:
        return {"status": "cut off", "says": f"{what} took too long"}
    last = [line for line in ran.text.splitlines() if line.strip()][-3:]
    return {"status": "passed", "says": what} if ran.code == 0 else {
        "status": "failed", "says": f"{what}: exit code {ran.code}: " + " | ".join(last)}
