"""What a rank of test_torch2.py's DeepSpeed jobs does: ``python c10d_zero.py zero``."""

import os
import sys

import deepspeed
import regatta.torch  # noqa: F401
import torch
import torch.distributed as dist
from c10d_workers import RANK, leave_after_comparison, say


def zero() -> None:
    """Thirty steps of ZeRO in bfloat16 at the stage $STAGE; prints the losses' bits."""
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = str(RANK)  # DeepSpeed's and torch's launchers set it
    deepspeed.init_distributed(os.environ["BACKEND"], auto_mpi_discovery=False)
    assert dist.get_backend() == os.environ["BACKEND"]
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(12, 63), torch.nn.ReLU(), torch.nn.Linear(63, 30), torch.nn.Linear(30, 3)
    )
    engine, *_ = deepspeed.initialize(
        model=model,
        model_parameters=model.parameters(),
        config={
            "train_micro_batch_size_per_gpu": 16,
            "bf16": {"enabled": True},
            "optimizer": {"type": "Adam", "params": {"lr": 0.01, "torch_adam": True}},
            # Parts small enough that this model needs several of each.
            "zero_optimization": {
                "stage": int(os.environ["STAGE"]),
                "reduce_bucket_size": 500,
                "allgather_bucket_size": 500,
                "stage3_param_persistence_threshold": 0,
            },
        },
    )
    assert engine.zero_optimization_stage() == int(os.environ["STAGE"])
    losses = []
    for step in range(30):
        torch.manual_seed(1000 * step + RANK)
        batch = torch.randn(16, 12)
        target = batch[:, :3].argmax(1)
        loss = torch.nn.functional.cross_entropy(engine(batch.bfloat16()).float(), target)
        engine.backward(loss)
        engine.step()
        losses.append(loss.item().hex())
    say("losses " + " ".join(losses))
    leave_after_comparison()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
