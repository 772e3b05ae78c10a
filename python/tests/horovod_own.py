"""Horovod's own tests and examples, unchanged, on regatta.hvd: lane frameworks.

They are not in the sdist of Horovod 0.28.1, so nothing that this machine may load has them: a
checkout of tag v0.28.1 is looked for in REGATTA_HOROVOD_CHECKOUT, else in .cache/horovod/checkout.
"""

import os
import pathlib
import re
import subprocess

import pytest
from conftest import free_port
from regatta.hvd import shim

_HERE = pathlib.Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent
_CHECKOUT = pathlib.Path(
    os.environ.get("REGATTA_HOROVOD_CHECKOUT", _ROOT / ".cache/horovod/checkout")
)
_PYTHONS = {
    "torch": _ROOT / ".venv/bin/python",
    "tensorflow": _ROOT / ".cache/frameworks/tensorflow/bin/python",
}
_NO_FLOAT16 = "no float16 is three times the float16 that each of three ranks gives"
# Tests that are left out, each with its reason.
_ALWAYS = {
    "TorchTests::test_global_barrier_op": (
        "wants 5 s of each rank's own clock, also of one that comes late to its first reading"
    ),
    "TensorFlowTests::test_horovod_allreduce_indexed_slices_prescale_postscale_error": (
        "scale factors of sparse tensors work here, and should be refused"
    ),
    "TensorFlowTests::test_horovod_syncbn_cpu": "BatchNormalization(fused=) is gone with Keras 2",
    "TensorFlowTests::test_partial_distributed_gradient_tape": (
        "calls ref() of a model's weights, which Keras 3's do not have"
    ),
    "TensorFlowProcessSetsTests::test_horovod_reducescatter_grad_cpu_process_sets": (
        "wants an error of 0 to be less than 1e-8 as a float16, which in NumPy 2 is 0, too"
    ),
}
_NO_THIRDS = "(x + x + x) / 3 is not always x in floating point"
_NO_ORDER = "a product of three depends on the order of multiplication"
_WITH_THREE = {
    "TensorFlowTests::test_horovod_grouped_allreduce_average_cpu": _NO_THIRDS,
    "TensorFlowTests::test_horovod_grouped_allreduce_mixed_indexed_slices_average_cpu": _NO_THIRDS,
    "TensorFlowTests::test_horovod_allreduce_product_cpu": _NO_ORDER,
    "TensorFlowTests::test_horovod_grouped_allreduce_product_cpu": _NO_ORDER,
    "TorchTests::test_horovod_allreduce_prescale": _NO_FLOAT16,
    "TorchTests::test_horovod_reducescatter_prescale": _NO_FLOAT16,
    "TorchTests::test_horovod_grouped_reducescatter_prescale": _NO_FLOAT16,
}


def _start(
    python: pathlib.Path,
    rank: int,
    size: int,
    port: int,
    home: pathlib.Path | None,
    *command: str,
) -> "subprocess.Popen[str]":
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECCL_", "HOROVOD_", "MASTER_", "RANK", "WORLD_"))
    }
    places = {"RANK": rank, "SIZE": size, "LOCAL_RANK": rank, "LOCAL_SIZE": size}
    return subprocess.Popen(
        [str(python), *command],
        cwd=_CHECKOUT / "test/parallel",
        env=inherited
        | {f"HOROVOD_{name}": str(value) for name, value in places.items()}
        | {
            "HOME": str(home) if home is not None else inherited.get("HOME", "/"),
            "PYTHONPATH": os.pathsep.join(
                (str(_HERE.parent), shim.path(), str(_HERE), str(_HERE / "horovod_data"))
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "ECCL_MASTER_ADDR": "127.0.0.1",
            "ECCL_MASTER_PORT": str(port),
            "ECCL_JOB_TOKEN": "the tests' token",
            "ECCL_INIT_TIMEOUT_MS": "200000",
            # A rank whose test has failed goes on with the next one, which the others never reach.
            "HOROVOD_STALL_CHECK_TIME_SECONDS": "30",
            "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS": "60",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _run(framework: str, size: int, *command: str, home: pathlib.Path | None = None) -> list[str]:
    """Run a command on all ranks; their outputs."""
    if not _CHECKOUT.is_dir():
        pytest.skip(f"{_CHECKOUT} is not there: a checkout of Horovod v0.28.1 is needed")
    port = free_port()
    ranks = [_start(_PYTHONS[framework], rank, size, port, home, *command) for rank in range(size)]
    try:
        outputs = [rank.communicate(timeout=900)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    for number, (rank, output) in enumerate(zip(ranks, outputs, strict=True)):
        assert rank.returncode == 0, f"rank {number}:\n{output[-20000:]}"
    return outputs


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    ("framework", "file", "least"),
    [
        ("torch", "test_torch.py", 100),
        ("torch", "test_timeline.py", 1),
        ("tensorflow", "test_tensorflow.py", 80),
        ("tensorflow", "test_tensorflow_process_sets.py", 20),
    ],
)
def test_tests(framework: str, file: str, least: int, size: int) -> None:
    """``least``: how many pass; the others skip themselves, for want of a GPU or of MPI."""
    left_out = _ALWAYS | (_WITH_THREE if size == 3 else {})
    options = [f"--deselect={file}::{name}" for name in left_out]
    flags = ("-q", "-p", "no:cacheprovider", "-p", "horovod_stand_ins", "--rootdir=.")
    outputs = _run(framework, size, "-m", "pytest", *flags, file, *options)
    counts = {re.findall(r"(\d+) passed", output)[-1] for output in outputs}
    assert len(counts) == 1, "all ranks run the same tests"
    print(f"{file}, {size} ranks: {outputs[0].splitlines()[-1]}")
    assert int(counts.pop()) >= least


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("options", ["", "--use-adasum", "--fp16-allreduce"])
def test_mnist_of_the_examples(tmp_path: pathlib.Path, options: str, size: int) -> None:
    """Of its examples this one runs here; those for TensorFlow are written for Keras 2
    (``opt.variables()``, ``experimental_run_tf_function``), the others need data from elsewhere.
    """
    script = str(_CHECKOUT / "examples/pytorch/pytorch_mnist.py")
    arguments = ["--no-cuda", "--epochs=10", "--lr=0.02", f"--data-dir={tmp_path}"]
    outputs = _run("torch", size, script, *arguments, *options.split(), home=tmp_path)
    accuracy = float(re.findall(r"ccuracy: ([0-9.]+)%", "".join(outputs))[-1])
    print(f"{options or 'plain'}, {size} ranks: {accuracy} % right")
    assert accuracy > 80
