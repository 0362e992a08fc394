"""cmake/gpu_report.py, up to the device: a dry run, and runs whose tools are stand-ins that answer as on a GPU."""
import collections
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
import types
import unittest
import xml.etree.ElementTree as xml

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "cmake"))
from report import build, output, plot, process, pytorch, training  # noqa: E402

SMI = """\
    #!/bin/sh
    case "$*" in *memory.used*) echo 100; echo 1124; exec sleep 100;; esac
    echo 'Pretend GPU, 9.0, 580.1, 81559 MiB, 345 MHz, 2619 MHz, 1980 MHz, 2619 MHz'
    """
# Trains nothing: a log of 100 tokens in a tenth of a second, but for the first rows, which are slow.
RONDO = """\
    #!/usr/bin/env python3
    import json, pathlib, sys
    assert sys.argv[1:3] == ["train", "--config"]
    config = json.loads(pathlib.Path(sys.argv[3]).read_text())
    assert config["device"] == "cuda" and pathlib.Path(config["train"]).stat().st_size > 100000
    out = pathlib.Path(config["out"])
    out.mkdir(exist_ok=True)
    rows = [f"{20 * (i + 1)},{1 + i if i < 2 else 2 + i / 10},100,3.0" for i in range(12)]
    (out / "log.csv").write_text("step,seconds,tokens,loss\\n" + "\\n".join(rows) + "\\n")
    """
# PyTorch that sees no GPU, whatever this machine has.
TORCH = """\
    __version__ = "0"
    class cuda:
        is_available = staticmethod(lambda: False)
    """
NVCC = "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
TEST_PROGRAM = """\
    #!/bin/sh
    case "$*" in *--gtest_list_tests*) printf 'SomeGpu.\\n  Works  # so it says\\n'; exit;; esac
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
                           ("build/bench/bench_cuda_rnn", BENCHMARK), ("build/bench/bench_gpu_micro", BENCHMARK),
                           ("build/bin/rondo", RONDO), ("site/torch/__init__.py", TORCH)):
            self.program(name, text)
        row = {"cell": "lstm", "dtype": "bf16", "hidden": 256, "input": 256, "batch": 32, "steps": 256, "layers": 1,
               "directions": 1, "ragged": False, "pass": "training", "rondo_us": 800.0,
               "rondo_algorithm": "steps, graph", "cudnn_us": 1000.0, "cudnn_algorithm": "STANDARD, graph",
               "ratio": 1.25, "spread": 0.01}
        memory = {"parameters": 2**20, "workspace": 0, "reserve": 2**19}
        (self.root / "build/bench/--parity.json").write_text(json.dumps({"summary": {
            "planned": 5000, "run": 5000, "compared": 4990, "refused_by_cudnn": 10, "failed": 0}}))
        self.figure = {"of": "mma issue", "case": "N=8", "unit": "cycles", "assumed": "6.3 cycles", "value": 7.5,
                       "spread": 0.01, "samples": 7, "cycles": 30.0, "rate": 0.53, "rate_unit": "of peak"}
        self.micro([self.figure])
        (self.root / "build/bench/--grid.json").write_text(json.dumps(
            {"method": "pretended", "rows": [row], "incomplete": ["other"], "details": [
                {"row": "lstm/bf16/H256", "rondo": [], "cudnn": [], "rondo_bytes": dict(memory, peak=3 * 2**20),
                 "cudnn_bytes": dict(memory, peak=4 * 2**20), "parts": [
                     {"name": "forward steps", "us": 400.0, "bound_us": 100.0, "ratio": 0.25},
                     {"name": "input product", "us": 40.0, "bound_us": None, "ratio": None}]},
                {"row": "other", "error": "out of memory", "rondo": [], "cudnn": []}],
             "summary": {"planned": 2, "rows": 1, "geometric_mean": 1.25, "minimum": 1.25, "below_one": 0}}))

    def micro(self, figures, groups=6):
        (self.root / "build/bench/--seconds.json").write_text(json.dumps(
            {"method": "pretended", "groups_planned": 6, "groups": groups, "figures": figures}))

    def program(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def report(self, *flags, compiler="true"):
        self.out = self.root / "out"
        ran = subprocess.run([sys.executable, "-B", SOURCE / "cmake" / "gpu_report.py", "--out", self.out, "--build",
                              self.root / "build", *flags], capture_output=True, text=True,
                             env={**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "CXX": compiler,
                                  "PYTHONPATH": str(self.root / "site")})
        path = self.out / "report.json"
        made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"stages": []}
        return ran, made, {stage["name"]: stage for stage in made["stages"]}

    def test_dry_run(self):
        (self.root / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
        ran, made, stages = self.report("--dry-run")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual({stage["status"] for stage in stages.values()}, {"not run"})
        self.assertEqual(list(stages), ["build", "tests", "sanitizers", "parity", "benchmark", "loops", "micro", "training",
                                        "pytorch", "generation"])
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
        beside_pytorch = {"pytorch", "generation"}
        self.assertEqual({stage["status"] for name, stage in stages.items() if name not in beside_pytorch}, {"passed"})
        self.assertEqual({stages[name]["status"] for name in beside_pytorch}, {"not run"})
        self.assertEqual(made["machine"]["gpu"]["name"], "Pretend GPU")
        self.assertEqual(len(xml.parse(self.out / "junit.xml").findall(".//testcase")), 2)
        summary = (self.out / "summary.md").read_text()
        for words in ("Pretend GPU", "| lstm | bf16 | 256 |", "1.25", "no ratio: other: out of memory", "cuDNN: 9",
                      "STANDARD, graph: 1 rows", "| 256 | STANDARD, graph 3.91 |",
                      "| lstm/bf16/H256 | 400 (0.25) | 40 (no bound known) | "
                      "1.0, 0.0, 0.5 / 3.0 | 1.0, 0.0, 0.5 / 4.0 |",
                      "| words | bf16 | 1000 | 0 % | 1024 MiB | not installed |",
                      "| mma issue | N=8 | 7.5 cycles | 1.0 % | 30 | 0.53 of peak | 6.3 cycles |"):
            self.assertIn(words, summary)
        self.assertLessEqual(len(list(self.out.iterdir())), 8)

    def test_a_planted_fault_must_be_found(self):
        self.program("bin/compute-sanitizer", SANITIZER.replace("*PlantedFaults*", "*OutputOf*"))
        ran, _, stages = self.report("--seconds", "200")
        self.assertEqual((ran.returncode, stages["sanitizers"]["status"]), (1, "failed"))
        self.assertIn("NOT FOUND", stages["sanitizers"]["says"])

    def test_errors_are_found_beside_a_failure(self):
        self.program("build/tests/rondo_cuda_tests", textwrap.dedent(TEST_PROGRAM) +
                     "echo '=========     at void rondo::kernels::scale<float>(float *)+0x50 in scale.cu:7'\n"
                     "echo '========= ERROR SUMMARY: 3 errors'\nexit 1\n")
        _, _, stages = self.report("--seconds", "200", "--stages", "build", "sanitizers")
        self.assertEqual(stages["sanitizers"]["status"], "failed")
        self.assertIn("rondo_cuda_tests: FOUND ERRORS in rondo::kernels::scale (1 tests)", stages["sanitizers"]["says"])

    def test_what_is_cut_off_leaves_what_it_has(self):
        self.program("build/tests/rondo_cuda_tests", textwrap.dedent(TEST_PROGRAM) +
                     "echo '[ RUN      ] SomeGpu.Hangs'\nsleep 100\n")
        _, _, stages = self.report("--seconds", "26", "--stages", "build", "tests")
        self.assertEqual(stages["tests"]["status"], "cut off")
        self.assertEqual([case["result"] for case in stages["tests"]["cases"]][:2], ["ok", "interrupted"])

    def test_what_follows_a_failure_starts_anew(self):
        self.program("build/tests/rondo_cuda_tests", textwrap.dedent("""\
            #!/bin/sh
            case "$*" in
                *--gtest_list_tests*) printf 'SomeGpu.\\n  Works\\n  Breaks\\n  Follows\\n  DISABLED_Waits\\n';;
                *Works*) echo '[ RUN      ] SomeGpu.Works'; echo '[       OK ] SomeGpu.Works (1 ms)'
                         echo '[ RUN      ] SomeGpu.Breaks'; echo '[  FAILED  ] SomeGpu.Breaks (1 ms)'
                         echo '[ RUN      ] SomeGpu.Follows'; echo '[  FAILED  ] SomeGpu.Follows (1 ms)'; exit 1;;
                *=SomeGpu.Follows*) echo '[ RUN      ] SomeGpu.Follows'; echo '[       OK ] SomeGpu.Follows (1 ms)';;
                *) exit 3;;
            esac
            """))
        _, _, stages = self.report("--seconds", "200", "--stages", "build", "tests")
        self.assertEqual([(case["name"], case["result"]) for case in stages["tests"]["cases"]][:4],
                         [("SomeGpu.Works", "ok"), ("SomeGpu.Breaks", "failed"), ("SomeGpu.Follows", "ok"),
                          ("SomeGpu.Works", "ok")])

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
        self.program("bin/cmake", "#!/bin/sh\necho 'CMake Error at x (message):'\necho '  no compiler'\necho\n"
                                  "for i in 1 2 3 4; do echo '-- something else'; done\nexit 1\n")
        ran, _, stages = self.report("--seconds", "200")
        self.assertEqual((ran.returncode, list(stages)), (1, ["build"]))
        self.assertIn("no compiler", stages["build"]["says"])

    def test_one_case_that_differs_fails_parity(self):
        path = self.root / "build/bench/--parity.json"
        path.write_text(path.read_text().replace('"failed": 0', '"failed": 1'))
        _, _, stages = self.report("--seconds", "200", "--stages", "build", "parity")
        self.assertEqual(stages["parity"]["status"], "failed")

    def test_a_figure_that_went_wrong_fails_and_one_not_reached_is_told(self):
        wrong = {"of": "word through L2", "case": "2 blocks", "unit": "us", "assumed": "0.56 us", "value": None,
                 "spread": None, "samples": 0, "error": "a wait passed its limit"}
        for figures, groups, status in (([self.figure, wrong], 6, "failed"), ([self.figure], 3, "cut off")):
            self.micro(figures, groups)
            _, _, stages = self.report("--seconds", "200", "--stages", "build", "micro")
            self.assertEqual(stages["micro"]["status"], status)
        self.micro([self.figure, wrong])
        self.report("--seconds", "200", "--stages", "build", "micro")
        self.assertIn("a wait passed its limit", (self.out / "summary.md").read_text())

    def test_training_is_left_out_by_name_and_its_failure_is_told(self):
        _, _, stages = self.report("--seconds", "200", "--stages", "build", "training", compiler="false")
        self.assertEqual(stages["training"]["status"], "not run")
        self.assertIn("-DRONDO_BUILD_PROGRAM=OFF", (self.out / "log.txt").read_text())
        self.program("build/bin/rondo", "#!/bin/sh\necho 'out of memory'\nexit 1\n")
        ran, _, stages = self.report("--seconds", "200", "--stages", "build", "training")
        self.assertEqual((ran.returncode, stages["training"]["status"]), (1, "failed"))
        self.assertIn("words in bf16: rondo train: exit code 1: out of memory", stages["training"]["says"])

    def test_pytorch_beside_rondo(self):
        def fake(command, _limit):
            path = pathlib.Path(command[command.index("--output") + 1])
            found = {"tokens_per_second": 500.0, "spread": 0.01, "torch": "0"} if "--config" in command else {
                "peer": {"version": "0"}, "summary": {"planned": 2, "rows": 1, "geometric_mean": 2, "minimum": 2},
                "rows": [dict.fromkeys(pytorch.MODULES.columns + pytorch.GENERATION.columns, "x") | {"ratio": 2.0}]}
            path.write_text(json.dumps(found))
            return process.Ran(0, "")
        machine = {"smi": None, "torch": "0"}
        given = types.SimpleNamespace(run=fake, machine=machine, source=SOURCE, build=self.root, out=self.root,
                                      program=lambda name: self.root / name,
                                      dry_run=False, has_program=True, build_targets=lambda targets, limit: process.Ran(0, ""))
        for comparison in (pytorch.MODULES, pytorch.GENERATION):
            ran = pytorch.run(comparison, given, 100)
            self.assertEqual(ran["status"], "cut off")  # one of two rows
            report = {"stages": [{"name": comparison.stage, **ran}]}
            self.assertIn("| 2 |", pytorch.table(comparison, report, output.cell)[-1])
        given.has_program = False
        self.assertEqual(pytorch.run(pytorch.GENERATION, given, 100)["status"], "not run")
        self.assertEqual(training.train_pytorch(given, self.root / "model.json", 100)["tokens_per_second"], 500)
        runs = [{"model": "words", "dtype": "f32",
                 "rondo": {"tokens_per_second": 1000.0, "spread": 0, "peak_bytes": None},
                 "pytorch": {"tokens_per_second": 500.0, "spread": 0, "peak_bytes": None}}]
        self.assertIn("| 2.00 |", training.table({"stages": [{"name": "training", "runs": runs}]})[-1])

    def test_a_picture_by_whatever_is_there(self):
        rows = [{"cell": "lstm", "dtype": "bf16", "hidden": hidden, "batch": batch, "steps": 256, "layers": 1,
                 "directions": 1, "ragged": False, "pass": "training", "ratio": hidden / 500}
                for hidden in (256, 512) for batch in (8, 32)]
        self.assertEqual(plot.ratios(rows[:1], self.root), "none, too few rows")
        name = plot.ratios(rows, self.root)
        self.assertTrue((self.root / name).stat().st_size > 1000 if name.startswith("ratio.") else
                        name == "none, neither matplotlib nor gnuplot is installed", name)
        if shutil.which("gnuplot"):
            self.assertEqual(plot.by_gnuplot(plot.picked(rows), self.root / "ratio.svg"), "ratio.svg")
            self.assertIn("B=32", (self.root / "ratio.svg").read_text())

    def test_a_log_stays_small_enough_to_be_carried(self):
        log = self.root / "log.txt"
        log.write_bytes(b"x" * (output.MOST + 5) + b"the end")
        output.cut_log(log)
        self.assertLess(log.stat().st_size, output.MOST)
        self.assertTrue(log.read_bytes().endswith(b"the end"))

    def test_synthetic_text(self):
        text = training.synthetic_words(5000, 1000)
        self.assertEqual(text, training.synthetic_words(5000, 1000))
        counts = collections.Counter(text.split())
        self.assertEqual((counts.total(), len(counts)), (5000, 1000))
        self.assertEqual(counts.most_common(1)[0][0], "w0")
        self.assertEqual(max(len(line.split()) for line in text.splitlines()), 20)

    def test_architectures(self):
        for capability, name in (("8.0", "80-real"), ("8.9", "89-real"), ("9.0", "90a-real"), ("12.0", "120a-real")):
            self.assertEqual(build.architecture({"gpu": {"compute_cap": capability}}), name)


if __name__ == "__main__":
    unittest.main()
