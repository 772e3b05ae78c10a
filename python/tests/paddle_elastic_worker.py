"""What the ranks of test_hvd_paddle.py's elastic jobs run.

``python paddle_elastic_worker.py STEP FLAG``: rank 1 kills itself once, at that step.
"""

import os
import pathlib
import signal
import sys

import paddle
import regatta.hvd.paddle as hvd

_DEATH, _FLAG = int(sys.argv[1]), pathlib.Path(sys.argv[2])


def note(text: str) -> None:
    print(text, flush=True)


def make(seed: int) -> tuple[paddle.nn.Layer, paddle.optimizer.Optimizer]:
    paddle.seed(seed)
    model = paddle.nn.Linear(4, 1)
    return model, paddle.optimizer.Momentum(0.001, 0.5, model.parameters())


def step(model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
    """One step in Paddle's order: gradients are cleared after it, not before."""
    model(paddle.ones([2, 4])).sum().backward()
    optimizer.step()
    optimizer.clear_grad()


@hvd.elastic.run
def train(state: hvd.elastic.PaddleState) -> None:
    done = False
    while not done:
        if state.step == _DEATH and hvd.rank() == 1 and not _FLAG.exists():
            _FLAG.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        step(model, optimizer)
        state.step += 1
        if state.step % 5 == 0:
            state.commit()
        # Over when a rank has died, and another one has taken its place.
        done = state.step >= 40 and _FLAG.exists() and hvd.size() == 3


hvd.init()
model, optimizer = make(hvd.rank())  # other weights on each rank, until they are synchronized
optimizer = hvd.DistributedOptimizer(optimizer, model.named_parameters())
state = hvd.elastic.PaddleState(model, optimizer, step=0)
state.register_reset_callbacks([lambda: note(f"reset size={hvd.size()} step={state.step}")])
train(state)
everyones = hvd.allgather(model.weight.detach().t())
assert bool((everyones == everyones[0]).all())
# No step was lost, none was made twice, and the optimizer's momentum has gone the same way.
expected, alone = make(0)
for _ in range(state.step):
    step(expected, alone)
assert paddle.allclose(model.weight, expected.weight, atol=1e-4), (model.weight, expected.weight)
note(f"done rank={hvd.rank()} size={hvd.size()} step={state.step}")
hvd.shutdown()
