"""Takes the checkpoint of the iteration whose last epoch was best on the held-out digits."""

import argparse
import json
import pathlib
import shutil


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", required=True, help="paths, joined by commas")
    parser.add_argument("--histories", required=True, help="paths, joined by commas")
    parser.add_argument("--best-checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--choice", type=pathlib.Path, required=True)
    args = parser.parse_args()

    candidates = []
    pairs = zip(args.checkpoints.split(","), args.histories.split(","), strict=True)
    for checkpoint, history in pairs:
        run = json.loads(pathlib.Path(history).read_text())
        last = run["epochs"][-1]
        # Equal accuracy: the lower loss is the safer choice.
        candidates.append((last["accuracy"], -last["loss"], run["learning_rate"], checkpoint))
    accuracy, negative_loss, learning_rate, checkpoint = max(candidates)

    shutil.copyfile(checkpoint, args.best_checkpoint)
    choice = {
        "learning_rate": learning_rate,
        "held_out_accuracy": accuracy,
        "loss": -negative_loss,
        "candidates": len(candidates),
    }
    args.choice.write_text(json.dumps(choice, indent=1))
    print(f"learning rate {learning_rate} is best: held-out accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
