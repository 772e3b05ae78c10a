"""Writes what came of the run, whatever happened in it.

A post-process step has no inputs, so it reads the list that the engine leaves in the run's folder
before this step starts: $REGATTA_RUN_DIR/artifacts.json, a list of {step, artifact, path, state}.
"""

import argparse
import json
import os
import pathlib


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", type=pathlib.Path, required=True)
    args = parser.parse_args()

    listing = pathlib.Path(os.environ["REGATTA_RUN_DIR"]) / "artifacts.json"
    artifacts = json.loads(listing.read_text())
    found = {
        (entry["step"], entry["artifact"]): pathlib.Path(entry["path"])
        for entry in artifacts
        if pathlib.Path(entry["path"]).is_file()
    }

    lines = [f"# Digits, run {os.environ['PF_RUN_ID']}", ""]
    if choice := found.get(("select", "choice")):
        lines.append(f"- Learning rate: {json.loads(choice.read_text())['learning_rate']}")
    if accuracy := found.get(("evaluate", "accuracy")):
        lines.append(f"- Accuracy on the test set: {float(accuracy.read_text()):.4f}")
    exported = ("export", "onnx_model") in found
    lines.append(f"- Exported as ONNX: {'yes' if exported else 'no'}")
    lines += ["", "| step | artifact | state | bytes |", "|---|---|---|---|"]
    for entry in artifacts:
        path = found.get((entry["step"], entry["artifact"]))
        size = path.stat().st_size if path else "-"
        lines.append(f"| {entry['step']} | {entry['artifact']} | {entry['state']} | {size} |")
    args.summary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
