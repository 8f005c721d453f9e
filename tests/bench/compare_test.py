"""tests/bench/compare_test.py - bench/compare by what it prints and how it exits."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMPARE = os.path.join(ROOT, "bench", "compare")


def series(median, spread=None):
    return {"median": median, "readings": [median]} | ({} if spread is None else {"spread": spread})


def row(peer, streams=1, **figures):
    return {"peer": peer, "streams": streams, "direction": "up", "ratio_to_ours": 1.5, **figures}


def run(*rows, **others):
    return {"bench": "throughput", "schema": 1, "machine": {"cpu": "one", "cores": 2},
            "settings": {"seconds": 1.0}, "rows": list(rows), "faults": []} | others


class Compare(unittest.TestCase):
    def compare(self, old, new, *options):
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, name) for name in ("old", "new")]
            for path, content in zip(paths, (old, new)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content if isinstance(content, str) else json.dumps(content))
            return subprocess.run([sys.executable, COMPARE, *paths, *options], capture_output=True, text=True,
                                  check=False)

    def verdict(self, figure, old, new):
        done = self.compare(run(row("tunnel", **{figure: old})), run(row("tunnel", **{figure: new})))
        self.assertEqual(done.stderr, "")
        words = done.stdout.splitlines()[1].split()
        said = words[-1] if words[-1] in ("slower", "faster") else ""
        self.assertEqual(done.returncode, int(said == "slower"))
        return said

    def test_worse_and_better(self):
        cost = "cpu_s_per_gib"
        self.assertEqual(self.verdict(cost, series(1.0, 0.01), series(1.0, 0.01)), "")
        self.assertEqual(self.verdict(cost, series(1.0, 0.01), series(1.04, 0.01)), "")
        self.assertEqual(self.verdict(cost, series(1.0, 0.01), series(1.06, 0.01)), "slower")
        self.assertEqual(self.verdict(cost, series(1.0, 0.04), series(1.06, 0.03)), "")
        self.assertEqual(self.verdict(cost, series(1.0, 0.01), series(0.9, 0.01)), "faster")

    def test_more_is_better(self):
        for figure in ("gib_per_s", "echoes_per_s", "per_s", "share"):
            self.assertEqual(self.verdict(figure, series(2.0, 0.0), series(1.0, 0.0)), "slower")
            self.assertEqual(self.verdict(figure, series(1.0, 0.0), series(2.0, 0.0)), "faster")

    def test_zero_medians(self):
        self.assertEqual(self.verdict("copied_per_byte", series(0, 0), series(0, 0)), "")
        self.assertEqual(self.verdict("copied_per_byte", series(0, 0), series(0.1, 0.01)), "slower")
        self.assertEqual(self.verdict("copied_per_byte", series(0.1, 0.01), series(0, 0)), "faster")

    def test_without_spread_nothing_is_judged(self):
        self.assertEqual(self.verdict("cpu_s_per_gib", series(1.0), series(3.0)), "")
        self.assertEqual(self.verdict("cpu_s_per_gib", series(1.0, 0.01), series(3.0)), "")

    def test_rows_that_are_missing(self):
        cost = {"cpu_s_per_gib": series(1.0, 0.01)}
        done = self.compare(run(row("tunnel", **cost), row("ssh", **cost)),
                            run(row("tunnel", **cost), row("tunnel", 16, **cost)))
        self.assertEqual(done.returncode, 0)
        self.assertIn("only in OLD: ssh 1 up cpu_s_per_gib\n", done.stdout)
        self.assertIn("only in NEW: tunnel 16 up cpu_s_per_gib\n", done.stdout)
        self.assertIn("1 figures, 0 slower, 0 faster\n", done.stdout)

    def test_one_row_is_enough(self):
        rows = [row("tunnel", streams, cpu_s_per_gib=series(1.0, 0.01)) for streams in (1, 16)]
        worse = [rows[0], row("tunnel", 16, cpu_s_per_gib=series(2.0, 0.01))]
        self.assertEqual(self.compare(run(*rows), run(*worse)).returncode, 1)
        self.assertEqual(self.compare(run(*rows), run(*worse), "--only", "tunnel 1 ").returncode, 0)

    def test_rows_of_another_program(self):
        old = run({"name": "seal-64", "bytes": 64, "ns": series(90.0, 1.0)}, bench="primitives")
        new = run({"name": "seal-64", "bytes": 64, "ns": series(120.0, 1.0)}, bench="primitives")
        done = self.compare(old, new)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"seal-64 +ns +90 +±1 % +120 +±1 % +1\.33 +slower")

    def test_another_machine(self):
        cost = row("tunnel", cpu_s_per_gib=series(1.0, 0.01))
        new = run(cost, machine={"cpu": "two", "cores": 2}, settings={"seconds": 2.0})
        done = self.compare(run(cost), new)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "compare: another machine: cpu was one, is two\n"
                                      "compare: other settings: seconds was 1.0, is 2.0\n")

    def test_a_fault(self):
        cost = row("tunnel", cpu_s_per_gib=series(1.0, 0.01))
        done = self.compare(run(cost), run(cost, faults=[{"peer": "ssh", "text": "lost"}]))
        self.assertEqual(done.stderr, "compare: NEW has a fault of ssh: lost\n")

    def test_what_cannot_be_compared(self):
        good = run(row("tunnel", cpu_s_per_gib=series(1.0, 0.01)))
        other = run(row("nginx", cpu_s_per_gib=series(1.0, 0.01)))
        for bad in (good | {"schema": 2}, good | {"bench": "latency"}, other, run(), {"rows": []}, [], "",
                    "{"):
            for pair in ((good, bad), (bad, good)):
                done = self.compare(*pair)
                self.assertEqual(done.returncode, 2, (bad, done.stdout))
                self.assertTrue(done.stderr.startswith("compare: "))


if __name__ == "__main__":
    unittest.main()
