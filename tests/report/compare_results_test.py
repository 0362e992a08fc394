"""bench/compare_results.py on small files."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare_results.py"


def row(hidden, rondo, peer, spread, **other):
    return {"cell": "lstm", "dtype": "bf16", "hidden": hidden, "input": hidden, "batch": 32, "steps": 256, "layers": 1,
            "directions": 1, "ragged": False, "pass": "training", "rondo_us": rondo, "cudnn_us": peer,
            "ratio": peer / rondo, "spread": spread, **other}


class CompareResults(unittest.TestCase):
    def compare(self, before, after, *flags, machine=("H100", "H100")):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, rows, gpu in zip(("before", "after"), (before, after), machine):
                paths.append(pathlib.Path(folder) / name)
                paths[-1].write_text(json.dumps({"machine": {"gpu": gpu}, "rows": rows}), encoding="utf-8")
            return subprocess.run([sys.executable, SCRIPT, *paths, *flags], capture_output=True, text=True)

    def test_noise_is_not_named(self):
        ran = self.compare([row(256, 100, 100, 0.02)], [row(256, 103.9, 97, 0.02)], "--fail-on-slower")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("rondo: 1 rows, 0 changed", ran.stdout)
        self.assertIn("cudnn: 1 rows, 0 changed", ran.stdout)

    def test_both_spreads_count(self):
        for spread, changed in ((0.02, 1), (0.03, 0)):
            ran = self.compare([row(256, 100, 100, 0.02)], [row(256, 104.5, 100, spread)])
            self.assertIn(f"rondo: 1 rows, {changed} changed", ran.stdout)

    def test_changes_are_named_worst_first(self):
        before = [row(h, 100, 100, 0.01) for h in (128, 256, 512)]
        after = [row(128, 50, 100, 0.01), row(256, 110, 100, 0.01), row(512, 150, 100, 0.01)]
        ran = self.compare(before, after, "--fail-on-slower")
        self.assertEqual(ran.returncode, 1)
        order = [ran.stdout.index(words) for words in ("slower lstm/bf16/H512", "slower lstm/bf16/H256",
                                                       "faster lstm/bf16/H128")]
        self.assertEqual(order, sorted(order))
        self.assertIn("100.0 -> 150.0 us (+50.0 %, noise 2.0 %)", ran.stdout)

    def test_rows_of_one_file_alone_and_another_machine(self):
        ran = self.compare([row(128, 1, 1, 0)], [row(256, 1, 1, 0, ragged=True)], machine=("H100", "H200"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("only before: lstm/bf16/H128/I128/B32/T256/L1/D1/training\n", ran.stdout)
        self.assertIn("only after: lstm/bf16/H256/I256/B32/T256/L1/D1/training/ragged\n", ran.stdout)
        self.assertIn("another gpu: H100 -> H200", ran.stdout)

    def test_a_row_twice_is_refused(self):
        self.assertNotEqual(self.compare([row(1, 1, 1, 0)] * 2, []).returncode, 0)

    def test_other_peers(self):
        old, new = row(128, 10, 10, 0), row(128, 10, 10, 0)
        for one, time in ((old, 5), (new, 9)):
            del one["cudnn_us"]
            one["peer_us"] = time
        self.assertIn("peer: 1 rows, 1 changed", self.compare([old], [new]).stdout)


if __name__ == "__main__":
    unittest.main()
