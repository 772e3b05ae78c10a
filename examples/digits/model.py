"""The network of the digits example, shared by the steps that train, judge and export it."""

import pathlib

import torch


def build() -> torch.nn.Module:
    """Two small convolutions and a linear layer: (N, 1, 8, 8) pixels in 0..1 to (N, 10) scores."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, kernel_size=3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, kernel_size=3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * 4 * 4, 10),
    )


def load(path: pathlib.Path) -> torch.nn.Module:
    """The network with the weights of a checkpoint of train.py, ready to be asked."""
    network = build()
    network.load_state_dict(torch.load(path, map_location="cpu")["network"])
    network.eval()
    return network
