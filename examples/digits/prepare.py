"""Splits scikit-learn's 1,797 handwritten digits into a train and a test set.

Each set is one .npz file with `images` (N, 1, 8, 8) float32 in 0..1 and `labels` (N) int64. The
bytes depend only on the arguments, so that later steps are skipped when nothing changed.
"""

import argparse
import pathlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-share", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--train-set", type=pathlib.Path, required=True)
    parser.add_argument("--test-set", type=pathlib.Path, required=True)
    args = parser.parse_args()

    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=args.test_share, random_state=args.seed, stratify=labels
    )
    for path, x, y in ((args.train_set, train_x, train_y), (args.test_set, test_x, test_y)):
        # An open file keeps NumPy from adding ".npz" to the artifact's name.
        with path.open("wb") as file:
            np.savez(file, images=x, labels=y)
    print(f"{len(labels)} digits: {len(train_y)} to train on, {len(test_y)} to test with")


if __name__ == "__main__":
    main()
