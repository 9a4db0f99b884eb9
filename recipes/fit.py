"""A short training, begun to end, and its records."""

import keras
import numpy as np

import zoo
from recipes.logs import logs


def fit(model, *data, folder=None, verbose=2, **settings):
    """Fits a compiled model.

    Args:
        model: The `keras.Model`.
        *data: As for `model.fit`.
        folder: Path of the folder for `history.csv` and TensorBoard's `logs`;
            `None`: neither is written.
        verbose: As for `model.fit`.
        **settings: Further arguments of `model.fit`.

    Returns:
        Dictionary from the names of losses and metrics to lists of floats,
        one for each epoch.

    Raises:
        zoo.data.DataError: If the loss is no finite number any more.
    """
    callbacks = [keras.callbacks.TerminateOnNaN()]
    if folder is not None:
        callbacks = logs(folder)
    history = model.fit(
        *data, callbacks=callbacks, verbose=verbose, **settings
    ).history
    if not np.isfinite(history["loss"]).all():
        raise zoo.data.DataError(
            f"{model.name}: expected a finite loss, got {history['loss'][-1]} "
            f"in epoch {len(history['loss'])}. Lower the learning rate."
        )
    return history
