"""What the ranks of test_torch2.py's jobs do: ``python c10d_newer.py <function>``."""

import datetime
import os
import sys

import torch
import torch.distributed as dist
from c10d_workers import RANK, SIZE, begin, leave_after_comparison, refused, say


def newer() -> None:
    """What torch 2 has beyond the rest: coalescing, split, merged options, time-outs."""
    begin()
    world = dist.group.WORLD
    own = world._get_backend(torch.device("cpu"))
    assert own.supports_splitting and own.name() == "eccl"
    manager = dist.distributed_c10d._coalescing_manager
    device = torch.device("cpu")
    values = [torch.full((3,), RANK + 1.0), torch.full((2,), RANK + 1.0)]
    with manager(world, device, async_ops=True) as block:
        for value in values:
            dist.all_reduce(value)
    block.wait()
    for value in values:
        assert (value == SIZE * (SIZE + 1) / 2).all()
    inputs = [torch.full((2,), float(RANK)), torch.full((1,), float(RANK))]
    outputs = [torch.zeros(2 * SIZE), torch.zeros(SIZE)]
    with manager(world, device):
        for output, value in zip(outputs, inputs, strict=True):
            dist.all_gather_into_tensor(output, value)
    assert outputs[1].tolist() == list(range(SIZE))
    assert outputs[0].view(SIZE, 2)[:, 1].tolist() == list(range(SIZE))
    parts = [torch.zeros(1), torch.zeros(2)]
    with manager(world, device):
        dist.reduce_scatter_tensor(parts[0], torch.arange(SIZE).float())
        dist.reduce_scatter_tensor(parts[1], torch.arange(2 * SIZE).float())
    assert parts[0].tolist() == [RANK * SIZE]
    assert parts[1].tolist() == [2 * RANK * SIZE, (2 * RANK + 1) * SIZE]
    # A block of different calls is one work.
    own._start_coalescing() if hasattr(own, "_start_coalescing") else world._start_coalescing(
        device
    )
    mixed = torch.ones(1)
    world.allreduce([mixed])
    world.broadcast([mixed], dist.BroadcastOptions())
    work = world._end_coalescing(device)
    work.wait()
    assert work.is_completed() and mixed.item() == SIZE
    half = dist.split_group(split_ranks=[[0, 1], [2, 3]])
    value = torch.tensor([float(RANK)])
    dist.all_reduce(value, group=half)
    assert value.item() == (1 if RANK < 2 else 5)
    dist.set_timeout(datetime.timedelta(seconds=40))
    assert own.options._timeout == datetime.timedelta(seconds=40)
    gathered = torch.zeros(SIZE, 2) if RANK == 1 else None
    dist.gather_single(torch.full((2,), float(RANK)), gathered, 1)
    assert gathered is None or gathered[:, 1].tolist() == list(range(SIZE))
    before = world._get_sequence_number_for_group()
    handle = torch.ops._c10d_functional.all_reduce(torch.ones(2), "sum", world.group_name)
    assert torch.ops._c10d_functional.wait_tensor(handle).tolist() == [SIZE] * 2
    assert world._get_sequence_number_for_group() == before + 1
    refused(lambda: own.new_window(), RuntimeError, "eccl does not support new_window")
    dist.barrier()
    own.shutdown()
    refused(lambda: dist.barrier(), RuntimeError, f"rank {RANK} has shut this process group down")
    dist.destroy_process_group()


def shrunk() -> None:
    """Rank 1 dies; the others go on without it."""
    begin()
    dist.barrier()
    say("ready")
    try:
        while True:
            dist.all_reduce(torch.ones(10))
    except RuntimeError as error:
        assert "rank 1 (host" in str(error), error
    smaller = dist.shrink_group([1])
    value = torch.tensor([RANK + 1.0])
    dist.all_reduce(value, group=smaller)
    assert value.item() == 4
    say("done")


def sharded() -> None:
    """Thirty steps of FSDP2; prints the losses' bits."""
    from torch.distributed.fsdp import fully_shard

    begin(os.environ["BACKEND"])
    mesh = dist.device_mesh.init_device_mesh("cpu", (SIZE,))
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(12, 63), torch.nn.ReLU(), torch.nn.Linear(63, 30), torch.nn.Linear(30, 3)
    )
    for layer in model:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(30):
        torch.manual_seed(1000 * step + RANK)
        batch = torch.randn(16, 12)
        target = batch[:, :3].argmax(1)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item().hex())
    say(" ".join(losses))
    leave_after_comparison()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
