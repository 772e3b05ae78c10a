"""Exports the chosen network as ONNX, and checks that the file says what the network says."""

import argparse
import pathlib

import numpy as np
import onnx
import onnx.reference
import torch
from model import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--onnx-model", type=pathlib.Path, required=True)
    args = parser.parse_args()

    network = load(args.checkpoint)
    sample = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.onnx.export(
        network,
        sample,
        str(args.onnx_model),
        input_names=["images"],
        output_names=["scores"],
        dynamic_axes={"images": {0: "batch"}, "scores": {0: "batch"}},
        opset_version=13,
    )

    model = onnx.load(args.onnx_model)
    onnx.checker.check_model(model, full_check=True)
    (scores,) = onnx.reference.ReferenceEvaluator(model).run(None, {"images": sample.numpy()})
    np.testing.assert_allclose(scores, network(sample).detach().numpy(), rtol=1e-3, atol=1e-4)
    print(f"{args.onnx_model.stat().st_size} bytes of ONNX, opset 13, same scores as the network")


if __name__ == "__main__":
    main()
