"""torch's own tests of its back ends, which its wheel carries, with ours: lane torch2.

BACKEND and WORLD_SIZE come from the environment, as in torch's own runs. What torch reserves for a
back end by its name (GPUs, MPI's all-to-all on CPUs, the texts of gloo's errors) skips itself.
"""

import unittest

import torch
from regatta.torch import build
from torch.testing._internal.common_distributed import DistTestCases

# Read by decorators when the next module is loaded.
for feature in ("ddp", "gpu", "subgroup"):
    DistTestCases.backend_feature[feature].add("eccl")

from torch.testing._internal.distributed import distributed_test  # noqa: E402

torch.set_num_threads(1)
build.adapter()  # before there are ranks that wait for it


class EcclTest(distributed_test.TestDistBackend, distributed_test.DistributedTest._DistTestBase):
    def setUp(self) -> None:
        super().setUp()
        # Not spawned: each of the ranks would load torch again.
        self._start_processes(torch.multiprocessing.get_context("fork").Process)

    @unittest.skip("torch logs every back end that is not its own as custom")
    def test_ddp_logging_data_cpu(self) -> None:
        pass
