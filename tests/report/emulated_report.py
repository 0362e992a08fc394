"""cmake/gpu_report.py from beginning to end on the emulated device: emulated_report.py FOLDER_OF_ITS_PROGRAMS

What can run there must pass; what cannot must say so.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.argv.pop(1))
RUN = {"build", "tests", "micro", "training"}
NOT_RUN = {"sanitizers": "no compute-sanitizer", "parity": "cuDNN needs a GPU", "benchmark": "cuDNN needs a GPU",
           "loops": "time needs a GPU", "pytorch": "PyTorch needs a GPU", "generation": "PyTorch needs a GPU"}


class EmulatedReport(unittest.TestCase):
    def test_every_stage(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            ran = subprocess.run([sys.executable, "-B", SOURCE / "cmake" / "gpu_report.py", "--emulated", PROGRAMS,
                                  "--out", out, "--build", pathlib.Path(folder) / "build", "--seconds", "110"],
                                 capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.check(out, ran.stdout)

    def check(self, out, told):
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        stages = {stage["name"]: stage for stage in report["stages"]}
        self.assertEqual({name for name, stage in stages.items() if stage["status"] == "passed"}, RUN, told)
        self.assertEqual({name for name, stage in stages.items() if stage["status"] == "not run"}, set(NOT_RUN), told)
        for name, words in NOT_RUN.items():
            self.assertIn(words, stages[name]["says"])

        self.assertGreaterEqual(len(stages["tests"]["cases"]), 5)
        runs = stages["training"]["runs"]
        self.assertEqual({(run["model"], run["dtype"]) for run in runs},
                         {(model, dtype) for model in ("characters", "words") for dtype in ("f32", "bf16")})
        for run in runs:
            self.assertGreater(run["rondo"]["tokens_per_second"], 0)
        micro = json.loads((out / "micro.json").read_text(encoding="utf-8"))
        self.assertEqual((micro["machine"]["gpu"], micro["groups"]), ("emulated", 6))
        self.assertFalse([figure for figure in micro["figures"] if "error" in figure])
        summary = (out / "summary.md").read_text(encoding="utf-8")
        for words in ("on an emulated device", "## What the persistent kernels hang on", "## Training end to end"):
            self.assertIn(words, summary)
        self.assertLessEqual(len(list(out.iterdir())), 8)


if __name__ == "__main__":
    unittest.main()
