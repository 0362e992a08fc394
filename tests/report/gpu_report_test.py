"""cmake/gpu_report.py, up to the device: a dry run, and runs whose tools are stand-ins that answer as on a GPU."""
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import textwrap
import unittest
import xml.etree.ElementTree as xml

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "cmake"))
from report import build  # noqa: E402

SMI = "#!/bin/sh\necho 'Pretend GPU, 9.0, 580.1, 81559 MiB, 345 MHz, 2619 MHz, 1980 MHz, 2619 MHz'\n"
NVCC = "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
TEST_PROGRAM = """\
    #!/bin/sh
    echo '[ RUN      ] SomeGpu.Works'
    echo '[       OK ] SomeGpu.Works (12 ms)'
    """
BENCHMARK = """\
    #!/bin/sh
    from=$1
    while [ "$1" != --output ]; do shift; done
    cp "$(dirname "$0")/$from.json" "$2"
    """
SANITIZER = """\
    #!/bin/sh
    case "$*" in *PlantedFaults*) exit 86;; esac
    while [ "${1#/}" = "$1" ]; do shift; done
    exec "$@"
    """
# Configures and builds nothing: the programs lie there already.
CMAKE = "#!/bin/sh\necho '-- cuDNN: 9.19.0 (pretended)'\n"


class GpuReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, text in (("bin/nvidia-smi", SMI), ("bin/nvcc", NVCC), ("bin/cmake", CMAKE),
                           ("bin/compute-sanitizer", SANITIZER), ("build/tests/rondo_cuda_tests", TEST_PROGRAM),
                           ("build/tests/lane/kernels/rondo_lane_gpu_tests", TEST_PROGRAM),
                           ("build/bench/bench_cuda_rnn", BENCHMARK)):
            self.program(name, text)
        row = {"cell": "lstm", "dtype": "bf16", "hidden": 256, "input": 256, "batch": 32, "steps": 256, "layers": 1,
               "directions": 1, "ragged": False, "pass": "training", "rondo_us": 800.0,
               "rondo_algorithm": "steps, graph", "cudnn_us": 1000.0, "cudnn_algorithm": "STANDARD, graph",
               "ratio": 1.25, "spread": 0.01}
        (self.root / "build/bench/--parity.json").write_text(json.dumps({"summary": {
            "planned": 5000, "run": 5000, "compared": 4990, "refused_by_cudnn": 10, "failed": 0}}))
        (self.root / "build/bench/--grid.json").write_text(json.dumps(
            {"method": "pretended", "rows": [row], "incomplete": ["other"], "details": [
                {"row": "other", "error": "out of memory", "rondo": [], "cudnn": []}],
             "summary": {"planned": 2, "rows": 1, "geometric_mean": 1.25, "minimum": 1.25, "below_one": 0}}))

    def program(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def report(self, *flags):
        self.out = self.root / "out"
        ran = subprocess.run([sys.executable, "-B", SOURCE / "cmake" / "gpu_report.py", "--out", self.out, "--build",
                              self.root / "build", *flags], capture_output=True, text=True,
                             env={**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"})
        path = self.out / "report.json"
        made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"stages": []}
        return ran, made, {stage["name"]: stage for stage in made["stages"]}

    def test_dry_run(self):
        (self.root / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
        ran, made, stages = self.report("--dry-run")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual({stage["status"] for stage in stages.values()}, {"not run"})
        self.assertEqual(list(stages), ["build", "tests", "sanitizers", "parity", "benchmark"])
        self.assertTrue(made["missing"])
        self.assertIn("nothing was run", (self.out / "summary.md").read_text())
        self.assertIn("-DCMAKE_CUDA_ARCHITECTURES=90a-real", (self.out / "log.txt").read_text())

    def test_no_gpu(self):
        (self.root / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
        ran, _, stages = self.report()
        self.assertEqual((ran.returncode, stages), (1, {}))
        self.assertIn("finds no GPU", ran.stderr)

    def test_all_is_well(self):
        ran, made, stages = self.report("--seconds", "200")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual({stage["status"] for stage in stages.values()}, {"passed"})
        self.assertEqual(made["machine"]["gpu"]["name"], "Pretend GPU")
        self.assertEqual(len(xml.parse(self.out / "junit.xml").findall(".//testcase")), 2)
        summary = (self.out / "summary.md").read_text()
        for words in ("Pretend GPU", "| lstm | bf16 | 256 |", "1.25", "no ratio: other: out of memory", "cuDNN: 9"):
            self.assertIn(words, summary)
        self.assertLessEqual(len(list(self.out.iterdir())), 8)

    def test_a_planted_fault_must_be_found(self):
        self.program("bin/compute-sanitizer", SANITIZER.replace("*PlantedFaults*", "*OutputOf*"))
        ran, _, stages = self.report("--seconds", "200")
        self.assertEqual((ran.returncode, stages["sanitizers"]["status"]), (1, "failed"))
        self.assertIn("NOT FOUND", stages["sanitizers"]["says"])

    def test_errors_are_found_beside_a_failure(self):
        self.program("build/tests/rondo_cuda_tests", textwrap.dedent(TEST_PROGRAM) +
                     "echo '========= ERROR SUMMARY: 3 errors'\nexit 1\n")
        _, _, stages = self.report("--seconds", "200", "--stages", "build", "sanitizers")
        self.assertEqual(stages["sanitizers"]["status"], "failed")
        self.assertIn("rondo_cuda_tests: FOUND ERRORS (1 tests)", stages["sanitizers"]["says"])

    def test_what_is_cut_off_leaves_what_it_has(self):
        self.program("build/tests/rondo_cuda_tests", textwrap.dedent(TEST_PROGRAM) +
                     "echo '[ RUN      ] SomeGpu.Hangs'\nsleep 100\n")
        _, _, stages = self.report("--seconds", "26", "--stages", "build", "tests")
        self.assertEqual(stages["tests"]["status"], "cut off")
        self.assertEqual([case["result"] for case in stages["tests"]["cases"]][:2], ["ok", "interrupted"])

    def test_crashes_and_skips_prove_nothing(self):
        crash = textwrap.dedent(TEST_PROGRAM) + "echo '[ RUN      ] SomeGpu.Crashes'\nexit 139\n"
        skip = TEST_PROGRAM.replace("[       OK ]", "[  SKIPPED ]")
        for text in (crash, skip):
            for name in ("build/tests/rondo_cuda_tests", "build/tests/lane/kernels/rondo_lane_gpu_tests"):
                self.program(name, text)
            ran, _, stages = self.report("--seconds", "200", "--stages", "build", "tests", "sanitizers")
            self.assertEqual(ran.returncode, 1)
            self.assertEqual((stages["tests"]["status"], stages["sanitizers"]["status"]), ("failed", "failed"))

    def test_a_failed_build_ends_it(self):
        self.program("bin/cmake", "#!/bin/sh\necho 'CMake Error: no compiler'\nexit 1\n")
        ran, _, stages = self.report("--seconds", "200")
        self.assertEqual((ran.returncode, list(stages)), (1, ["build"]))
        self.assertIn("no compiler", stages["build"]["says"])

    def test_one_case_that_differs_fails_parity(self):
        path = self.root / "build/bench/--parity.json"
        path.write_text(path.read_text().replace('"failed": 0', '"failed": 1'))
        _, _, stages = self.report("--seconds", "200", "--stages", "build", "parity")
        self.assertEqual(stages["parity"]["status"], "failed")

    def test_architectures(self):
        for capability, name in (("8.0", "80-real"), ("8.9", "89-real"), ("9.0", "90a-real"), ("12.0", "120a-real")):
            self.assertEqual(build.architecture({"gpu": {"compute_cap": capability}}), name)


if __name__ == "__main__":
    unittest.main()
