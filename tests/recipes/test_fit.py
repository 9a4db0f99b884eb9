import csv
import dataclasses
import math

import keras
import numpy as np
import pytest

from recipes import waveform
from recipes.fit import fit
from zoo.data import DataError


def line(learning_rate):
    """A compiled model of one weight."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)], name="line"
    )
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


X = np.linspace(-1, 1, 8, dtype="float32")[:, None]


def test_losses_are_returned_and_written(tmp_path):
    folder = tmp_path / "run" / "line"
    model = line(0.5)
    history = fit(model, X, 3 * X, epochs=20, folder=folder, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], 3, atol=1e-2)
    with open(folder / "history.csv", encoding="utf-8") as file:
        written = [float(row["loss"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(written, history["loss"], rtol=1e-6)
    assert list(folder.glob("logs/train/events*"))


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(fit(line(0.5), X, X, epochs=2, verbose=0)["loss"]) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", [False, True])
def test_a_diverging_loss_ends_the_training(folder, tmp_path):
    with pytest.raises(DataError, match="line: expected a finite loss, got"):
        fit(
            line(1e30),
            X,
            X,
            epochs=50,
            verbose=0,
            folder=tmp_path if folder else None,
        )


def test_a_recipe_that_diverges_leaves_no_report(tmp_path):
    config = dataclasses.replace(
        waveform.PRESETS["smoke"], folder=str(tmp_path), learning_rate=math.nan
    )
    with pytest.raises(DataError, match="got nan in epoch 1.*learning rate"):
        waveform.main(config)
    assert not list(tmp_path.rglob("report.md"))
