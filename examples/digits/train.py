"""Trains the digits network on all ranks of the job; gradients are averaged over libeccl.

Every rank takes its share of each epoch's shuffled batches. Rank 0 holds out a tenth of the
training set, measures it after each epoch, reports the metrics and writes the checkpoint.
"""

import argparse
import json
import pathlib

import numpy as np
import regatta
import regatta.hvd.torch as hvd
import torch
from model import build


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True, help="samples a rank and step")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--train-set", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--history", type=pathlib.Path, required=True)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    hvd.init()
    torch.set_num_threads(1)
    # Ranks differ in what they see, not in where they start: rank 0's weights go to all.
    torch.manual_seed(args.seed)

    with np.load(args.train_set) as data:
        images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])
    held_out = len(labels) // 10
    held_images, held_labels = images[:held_out], labels[:held_out]
    images, labels = images[held_out:], labels[held_out:]

    network = build()
    optimizer = torch.optim.SGD(network.parameters(), lr=args.learning_rate, momentum=0.9)
    optimizer = hvd.DistributedOptimizer(optimizer, named_parameters=network.named_parameters())
    hvd.broadcast_parameters(network.state_dict(), root_rank=0)
    hvd.broadcast_optimizer_state(optimizer, root_rank=0)

    shuffle = torch.Generator().manual_seed(args.seed)
    per_step = args.batch * hvd.size()
    history = []
    for epoch in range(1, args.epochs + 1):
        # The same order on every rank; whole steps only, so that all ranks make equally many.
        order = torch.randperm(len(labels), generator=shuffle)
        total_loss, steps = 0.0, 0
        network.train()
        for start in range(0, len(labels) - per_step + 1, per_step):
            mine = order[start : start + per_step][hvd.rank() :: hvd.size()]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images[mine]), labels[mine])
            loss.backward()
            optimizer.step()
            total_loss += loss.item()
            steps += 1
        mean_loss = hvd.allreduce(torch.tensor(total_loss / steps), name="epoch_loss").item()
        if hvd.rank() == 0:
            network.eval()
            with torch.no_grad():
                guesses = network(held_images).argmax(dim=1)
            accuracy = (guesses == held_labels).float().mean().item()
            regatta.log_metric("loss", mean_loss, step=epoch)
            regatta.log_metric("accuracy", accuracy, step=epoch)
            history.append({"epoch": epoch, "loss": mean_loss, "accuracy": accuracy})
            print(f"epoch {epoch}: loss {mean_loss:.4f}, held-out accuracy {accuracy:.4f}")

    if hvd.rank() == 0:
        torch.save({"network": network.state_dict(), "epochs": args.epochs}, args.checkpoint)
        summary = {"learning_rate": args.learning_rate, "ranks": hvd.size(), "epochs": history}
        args.history.write_text(json.dumps(summary, indent=1))
    hvd.shutdown()


if __name__ == "__main__":
    main()
