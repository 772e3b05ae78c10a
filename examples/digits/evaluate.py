"""Judges the chosen network on the test set: accuracy, a confusion matrix, and its mistakes."""

import argparse
import json
import pathlib

import matplotlib
import numpy as np
import regatta
import torch
from model import load

matplotlib.use("Agg")  # writes files, needs no display
import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--test-set", type=pathlib.Path, required=True)
    parser.add_argument("--accuracy", type=pathlib.Path, required=True)
    parser.add_argument("--confusion-matrix", type=pathlib.Path, required=True)
    parser.add_argument("--mistakes", type=pathlib.Path, required=True)
    args = parser.parse_args()

    with np.load(args.test_set) as data:
        images, labels = torch.from_numpy(data["images"]), data["labels"]
    with torch.no_grad():
        guesses = load(args.checkpoint)(images).argmax(dim=1).numpy()
    accuracy = float((guesses == labels).mean())

    # The bare number: a condition of a later step compares the whole content of this file.
    args.accuracy.write_text(f"{accuracy:.6f}")
    regatta.log_metric("test_accuracy", accuracy, step=1)
    wrong = np.flatnonzero(guesses != labels)
    args.mistakes.write_text(
        json.dumps(
            [{"index": int(i), "is": int(labels[i]), "taken_for": int(guesses[i])} for i in wrong],
            indent=1,
        )
    )
    display = ConfusionMatrixDisplay.from_predictions(labels, guesses, cmap="Blues", colorbar=False)
    display.ax_.set_title(f"accuracy {accuracy:.4f} on {len(labels)} test digits")
    plt.tight_layout()
    # Fixed metadata: the same result is the same bytes, so that caching works downstream.
    plt.savefig(args.confusion_matrix, format="png", dpi=100, metadata={"Software": None})
    print(f"accuracy {accuracy:.4f}: {len(wrong)} of {len(labels)} wrong")


if __name__ == "__main__":
    main()
