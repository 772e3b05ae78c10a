"""Loading a model to go on training it on all ranks."""

from typing import Any

import keras

from regatta.hvd.tensorflow.compression import Compression, Compressor
from regatta.hvd.tensorflow.optimizer import distribute

__all__ = ["load_model"]


def load_model(
    filepath: Any,
    custom_optimizers: Any = None,
    custom_objects: dict[str, Any] | None = None,
    compression: type[Compressor] = Compression.none,
    legacy_opts: bool = False,
) -> Any:
    """Load a saved model; its optimizer, with the state that was saved, becomes a distributed one.

    Parameters
    ----------
    custom_optimizers : iterable of type, optional
        Optimizers that Keras does not know.
    custom_objects : dict, optional
        As ``keras.models.load_model`` takes it.
    """
    known = {one.__name__: one for one in custom_optimizers or ()} | (custom_objects or {})
    model = keras.models.load_model(filepath, custom_objects=known)
    if getattr(model, "optimizer", None) is not None:
        distribute(model.optimizer, compression)
    return model
