"""What the ranks of the elastic tests' jobs run, written for Horovod: one import line.

``python elastic_worker.py die FLAG``: rank 1 kills itself once, at step 12.
``python elastic_worker.py hosts FILE``: rank 0 adds a host, and later takes it away again.
"""

import os
import pathlib
import signal
import sys

import horovod.torch as hvd
import torch

_MODE, _PATH = sys.argv[1], pathlib.Path(sys.argv[2])
_WIDE, _NARROW = "localhost:2\n127.0.0.2:1\n", "localhost:2\n"


def note(text: str) -> None:
    print(text, flush=True)


def die(state: hvd.elastic.TorchState) -> bool:
    """Return whether the job is done: a rank has died, and another one has taken its place."""
    if state.step == 12 and hvd.rank() == 1 and not _PATH.exists():
        _PATH.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if hvd.size() not in state.sizes:
        state.sizes = [*state.sizes, hvd.size()]
    return state.step >= 40 and _PATH.exists() and hvd.size() == 3


def hosts(state: hvd.elastic.TorchState) -> bool:
    """Return whether the job is done: it was wider for a while."""
    if state.sizes[-1:] != [hvd.size()]:
        state.sizes = [*state.sizes, hvd.size()]
        if hvd.rank() == 0:
            _PATH.write_text(_WIDE if hvd.size() == 2 and len(state.sizes) == 1 else _NARROW)
    return state.sizes == [2, 3, 2]


@hvd.elastic.run
def train(state: hvd.elastic.TorchState) -> None:
    step_is_done = die if _MODE == "die" else hosts
    done = False
    while not done:
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()
        state.step += 1
        done = step_is_done(state)
        if state.step % 5 == 0 or _MODE == "hosts":
            state.commit()


hvd.init()
torch.set_num_threads(1)
torch.manual_seed(hvd.rank())  # other weights on each rank, until they are synchronized
model = torch.nn.Linear(4, 1)
optimizer = hvd.DistributedOptimizer(
    torch.optim.SGD(model.parameters(), lr=0.01), model.named_parameters()
)
state = hvd.elastic.TorchState(model, optimizer, step=0, sizes=[])
state.register_reset_callbacks([lambda: note(f"reset size={hvd.size()} step={state.step}")])
train(state)
everyones = hvd.allgather(model.weight.detach())
assert (everyones == everyones[0]).all()
# Each step takes 0.02 from each weight of the first rank 0: none was lost, none was made twice.
torch.manual_seed(0)
first = torch.nn.Linear(4, 1).weight.detach()
assert torch.allclose(model.weight, first - 0.02 * state.step, atol=1e-3), (model.weight, first)
note(f"done rank={hvd.rank()} size={hvd.size()} sizes={state.sizes} step={state.step}")
hvd.shutdown()
