"""A small model and a training loop for the tests' jobs."""

import torch


def make_model(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(10, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 16),
        torch.nn.Tanh(),
        torch.nn.Linear(16, 3),
    )


def train(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, rank: int, size: int, passes: int = 1
) -> list[torch.Tensor]:
    """Ten steps on this rank's share of a fixed batch."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        inputs = torch.randn(24, 10, generator=generator)
        labels = torch.randint(0, 3, (24,), generator=generator)
        optimizer.zero_grad()
        shares = zip(
            inputs[rank::size].chunk(passes), labels[rank::size].chunk(passes), strict=True
        )
        for share, label in shares:
            (torch.nn.functional.cross_entropy(model(share), label) / passes).backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]
