"""Stands in for torchvision in Horovod's examples: "MNIST" is scikit-learn's digits, enlarged."""

import types
from collections.abc import Callable
from typing import Any

import torch
from sklearn.datasets import load_digits

_TRAIN = 1500


class _Compose:
    def __init__(self, steps: list[Callable[[Any], Any]]) -> None:
        self._steps = steps

    def __call__(self, image: Any) -> Any:
        for step in self._steps:
            image = step(image)
        return image


class _Mnist(torch.utils.data.Dataset):
    def __init__(self, _: str, train: bool, transform: Any, download: bool = False) -> None:
        digits = load_digits()
        part = slice(0, _TRAIN) if train else slice(_TRAIN, None)
        small = torch.tensor(digits.images[part], dtype=torch.float32)[:, None] / 16
        self._images = torch.nn.functional.interpolate(small, (28, 28))
        self._labels = digits.target[part].tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[index]), self._labels[index]


def _identity() -> Callable[[Any], Any]:
    return lambda image: image


def _normalize(mean: tuple[float], deviation: tuple[float]) -> Callable[[Any], Any]:
    return lambda image: (image - mean[0]) / deviation[0]


datasets = types.SimpleNamespace(MNIST=_Mnist)
transforms = types.SimpleNamespace(Compose=_Compose, ToTensor=_identity, Normalize=_normalize)
