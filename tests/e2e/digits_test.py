"""The main job on the real digits: accuracy, what a second run skips, what a change reruns."""

import os
import pathlib
import re
import shutil
import unittest

from harness import ROOT, Case


class DigitsTest(Case):
    patience = 300  # it trains, on whatever machine this is

    def test_the_main_job_and_its_rerun_rules(self):
        example = self.folder / "digits"
        shutil.copytree(ROOT / "examples/digits", example)
        pipeline = example / "pipeline.yaml"

        run, steps = self.run_json(pipeline)
        self.assertEqual(run["state"], "succeeded")
        folder = self.home / "runs" / run["id"]
        accuracy = next(path for path in folder.rglob("accuracy") if path.is_file())
        self.assertGreaterEqual(float(accuracy.read_text()), 0.95)
        self.assertEqual(steps["export"]["state"], "succeeded")
        self.assertEqual(steps["report"]["state"], "succeeded")
        for name in ("train", "train-1"):
            self.assertEqual(steps[name]["replicas"], 2)
            self.assertIn("accuracy", steps[name]["last_metrics"])

        run, steps = self.run_json(pipeline)
        post_process = {"report"}
        for name, step in steps.items():
            if name in post_process:
                continue
            self.assertTrue(step["cached"], name)
            self.assertIn("unchanged", step["reason"], name)

        text = pipeline.read_text()
        changed = re.sub(r"(learning_rates: \[[^,]+), [0-9.]+\]", r"\1, 0.05]", text)
        self.assertNotEqual(changed, text)
        pipeline.write_text(changed)
        run, steps = self.run_json(pipeline)
        self.assertEqual(run["state"], "succeeded")
        self.assertTrue(steps["prepare"]["cached"])
        self.assertTrue(steps["train"]["cached"], steps["train"]["reason"])
        self.assertFalse(steps["train-1"]["cached"])
        self.assertIn("loop argument", steps["train-1"]["reason"])
        self.assertFalse(steps["select"]["cached"], steps["select"]["reason"])

        script = example / "train.py"
        script.write_text(script.read_text() + "\n# changed\n")
        run, steps = self.run_json(pipeline)
        self.assertEqual(run["state"], "succeeded")
        self.assertTrue(steps["prepare"]["cached"])
        for name in ("train", "train-1"):
            self.assertFalse(steps[name]["cached"])
            self.assertIn("train.py", steps[name]["reason"])


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
