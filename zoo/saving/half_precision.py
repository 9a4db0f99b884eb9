"""Presets whose files hold their weights in half precision."""

import os
import pathlib

import h5py
import numpy as np


def half_precision_preset(folder):
    """Rewrites the weights of a preset as float16, at half the size.

    Only the files change: a model loaded from the preset has float32 weights
    as before, rounded to 11 significant bits. So measure, and export, the
    model that is loaded from the rewritten preset. Each file is replaced when
    its successor is complete. A second call changes nothing.

    Args:
        folder: string or path of a preset, as `save_to_preset` writes it.

    Returns:
        `(before, after)`, the size of the weights' files in bytes.

    Raises:
        FileNotFoundError: If the folder has no weights.
        ValueError: If a weight is too large for float16 (above 65504).

    Example:

    >>> import keras, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(200)])
    >>> model.save_weights(folder / "model.weights.h5")
    >>> before, after = half_precision_preset(folder)
    >>> print(f"{after / before:.1f}")
    0.5
    """
    files = sorted(pathlib.Path(folder).glob("*.weights.h5"))
    if not files:
        raise FileNotFoundError(
            f"Expected a preset with *.weights.h5 files, found none in "
            f"{folder}. Write one with model.save_to_preset(folder)."
        )
    before = sum(file.stat().st_size for file in files)
    for file in files:
        temporary = file.with_name(f".{file.name}.tmp")
        try:
            with h5py.File(file) as source, h5py.File(temporary, "w") as target:
                _copy(source, target)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    return before, sum(file.stat().st_size for file in files)


def _copy(source, target):
    """Copies a group with its attributes, float32 and up as float16."""
    _copy_attributes(source, target)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(name))
            continue
        value = item[()]
        if item.dtype in (np.float32, np.float64):
            value = _half(value, item)
        _copy_attributes(item, target.create_dataset(name, data=value))


def _copy_attributes(source, target):
    for key, value in source.attrs.items():
        target.attrs[key] = value


def _half(value, item):
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    if not np.array_equal(np.isfinite(value), np.isfinite(half)):
        raise ValueError(
            "Expected weights of at most 65504 for half precision, got "
            f"{np.nanmax(np.abs(value))} in {item.name} of "
            f"{item.file.filename}. Keep this preset in full precision."
        )
    return half
