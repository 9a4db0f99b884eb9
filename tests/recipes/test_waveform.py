"""The recipe 1 -> N."""

import csv
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from recipes import waveform
from zoo.data import DataError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = dataclasses.replace(waveform.PRESETS["smoke"], folder=str(folder))
    return waveform.main(config), folder / config.name


def test_a_smoke_run_beats_silence(run):
    figures, folder = run
    with open(folder / "history.csv", encoding="utf-8") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] / 3
    assert float(figures["**RMSE**"]) < float(figures["RMSE of silence"]) / 2


def test_a_run_leaves_its_files(run):
    _, folder = run
    assert (folder / "report.md").is_file()
    assert (folder / "plots" / "waveforms.png").stat().st_size > 10_000
    model = tf.saved_model.load(str(folder / "model" / "1"))
    found = model.signatures["serving_default"](numbers=tf.zeros((2, 5)))
    assert found["waveform"].shape == (2, 20, 1)


def test_waveforms_are_damped_oscillations():
    x, y = waveform.waveforms(np.random.default_rng(0), 50, 100)
    assert x.shape == (50, 5) and y.shape == (50, 100, 1)
    assert np.abs(x).max() <= 1
    # y_{t+1} = 2 r cos(f) y_t - r^2 y_{t-1}, with r = exp(-d)
    frequency, decay = 0.3 + 0.2 * x[:, 1], 0.025 + 0.025 * x[:, 2]
    r = np.exp(-decay)
    expected = 2 * (r * np.cos(frequency))[:, None] * y[:, 1:-1, 0]
    expected -= (r**2)[:, None] * y[:, :-2, 0]
    np.testing.assert_allclose(y[:, 2:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(
        y[:, 0, 0], (0.75 + 0.25 * x[:, 0]) * x[:, 3], atol=1e-5
    )


def test_numbers_are_read_at_the_first_step_or_at_every_one():
    for read, steps in (("first", 1), ("every", 7)):
        config = dataclasses.replace(waveform.FIRST, read=read, time=7, units=3)
        model = waveform.build_model(config)
        before_lstm = next(
            i for i, layer in enumerate(model.layers) if "lstm" in layer.name
        )
        x = np.ones((1, 5))
        for layer in model.layers[1:before_lstm]:
            x = layer(x)
        assert np.asarray(x).any(axis=-1).sum() == steps
    with pytest.raises(DataError, match="first or every, got 'last'"):
        waveform.build_model(dataclasses.replace(waveform.FIRST, read="last"))
