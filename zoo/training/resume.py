"""Trainings that go on after their process was killed."""

import json
import os
import pathlib
import time

import keras
import numpy as np


class Resume(keras.callbacks.Callback):
    """Keeps what a training needs to go on after its process was killed.

    At the start of every epoch but the first, the variables of the model,
    its random generators and its optimizer go to a file, and with them what
    other callbacks remember. `fit` with `initial_epoch=resume.first_epoch`
    puts them back. The epochs that follow are those of a training that was
    never interrupted, to the last bit, if the data of an epoch are the same
    each time. The file is renamed into place, so that it is whole at any
    moment, and removed when training ends.

    Callbacks that swap weights at the end of an epoch, as
    `keras.callbacks.SwapEMAWeights` does, stand before it in the list.

    Args:
        path: The file, ending in `.npz`.
        settings: What the training is to have in common with the one that it
            continues, a dictionary that JSON can hold.
        callbacks: Callbacks with something to remember: their `get_state()`
            returns a dictionary of arrays and numbers, `set_state(state)`
            takes it.

    Attributes:
        first_epoch: Number of epochs that are done, 0 without a file.
        seconds: How long the training took before it was killed.

    Raises:
        ValueError: If `path` does not end in `.npz`, if what was kept is of
            other settings, or, from `fit`, of another model.

    Example:

    >>> import os, tempfile
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x = np.ones((4, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     resume = Resume(os.path.join(folder, "resume.npz"))
    ...     history = model.fit(
    ...         x,
    ...         x,
    ...         initial_epoch=resume.first_epoch,
    ...         epochs=2,
    ...         callbacks=[resume],
    ...         verbose=0,
    ...     )
    >>> resume.first_epoch  # there was nothing to go on with
    0
    """

    def __init__(self, path, settings=None, callbacks=()):
        super().__init__()
        self.path = pathlib.Path(path)
        if self.path.suffix != ".npz":
            raise ValueError(
                f"Expected a `path` that ends in `.npz`, got {str(path)!r}."
            )
        # as JSON gives it back: tuples are lists
        self.settings = json.loads(json.dumps(settings))
        self.callbacks = list(callbacks)
        self.first_epoch, self.seconds = 0, 0.0
        if self.path.exists():
            with np.load(self.path) as arrays:
                kept = json.loads(str(arrays["facts"]))
            self._check_settings(kept["settings"])
            self.first_epoch = kept["epoch"]
            self.seconds = kept["seconds"]

    def on_train_begin(self, logs=None):
        self.started = time.time()
        if not self.first_epoch:
            return
        with np.load(self.path) as file:
            arrays = dict(file)
        variables = _variables_of(self.model)
        found = _part(arrays, "variables/")
        expected = {str(i): tuple(x.shape) for i, x in enumerate(variables)}
        if {name: value.shape for name, value in found.items()} != expected:
            raise ValueError(
                f"Expected the variables of this model in {self.path}, got "
                "those of another. Remove the file to begin anew."
            )
        for i, variable in enumerate(variables):
            variable.assign(found[str(i)])
        for i, callback in enumerate(self.callbacks):
            callback.set_state(_part(arrays, f"callbacks/{i}/"))

    def on_epoch_begin(self, epoch, logs=None):
        if not epoch:
            return
        facts = {
            "epoch": epoch,
            "seconds": self.seconds + time.time() - self.started,
            "settings": self.settings,
        }
        arrays = {"facts": json.dumps(facts)}
        for i, variable in enumerate(_variables_of(self.model)):
            arrays[f"variables/{i}"] = _to_numpy(variable)
        for i, callback in enumerate(self.callbacks):
            for name, value in callback.get_state().items():
                arrays[f"callbacks/{i}/{name}"] = value
        partial = self.path.with_name(f"partial.{self.path.name}")
        np.savez(partial, **arrays)
        os.replace(partial, self.path)

    def on_train_end(self, logs=None):
        self.path.unlink(missing_ok=True)

    def _check_settings(self, kept):
        if kept == self.settings:
            return
        names = (
            sorted({*kept, *self.settings}) if kept and self.settings else []
        )
        different = ", ".join(
            f"{name} {kept.get(name)!r}, now {self.settings.get(name)!r}"
            for name in names
            if kept.get(name) != self.settings.get(name)
        )
        raise ValueError(
            f"Expected the settings of the training kept in {self.path}, got "
            f"others: {different or self.settings}. Go on with the same, or "
            "remove the file to begin anew."
        )


def _variables_of(model):
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _part(arrays, start):
    """The arrays whose names start so, by the rest of their names."""
    return {
        name.removeprefix(start): value
        for name, value in arrays.items()
        if name.startswith(start)
    }


def _to_numpy(variable):
    value = keras.ops.convert_to_numpy(variable)
    # NumPy's files know no bfloat16
    return value.astype("float32") if value.dtype.kind == "V" else value
