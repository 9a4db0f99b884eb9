"""The recipe that predicts a sine."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes import sine


def test_windows_are_those_of_the_book():
    (x, y), (test_x, test_y) = sine.load_data(sine.BOOK)
    assert x.shape == (10_000, 10)
    assert y.shape == (10_000, 1)
    assert test_x.shape == (1_000, 10)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_allclose(y[0], np.sin(0.1), atol=1e-4)
    np.testing.assert_array_equal(x[1:, -1], y[:-1, 0])
    # both parts include their end: the last training value starts the test
    np.testing.assert_allclose(test_x[0, 0], np.sin(100.1), atol=1e-5)
    np.testing.assert_allclose(y[-1], np.sin(100.1), atol=1e-5)


def test_baselines_of_the_test_set():
    _, (x, y) = sine.load_data(sine.BOOK)
    np.testing.assert_allclose(sine.rmse(0, y), 0.6874, atol=5e-5)
    np.testing.assert_allclose(sine.rmse(x[:, -1:], y), 0.00727, atol=5e-6)
    linear = 2 * x[:, -1:] - x[:, -2:-1]
    np.testing.assert_allclose(sine.rmse(linear, y), 6.9e-5, atol=5e-7)


@pytest.mark.parametrize(
    "name, steps, weights",
    [("book", 1, 12_271), ("book_steps", 10, 11_191), ("best", 9, 11_311)],
)
def test_what_the_network_reads(name, steps, weights):
    config = sine.PRESETS[name]
    train, _ = sine.load_data(config)
    model = sine.build_model(config, train)
    assert model.count_params() == weights
    first = next(x for x in model.layers if x.name.startswith("lstm"))
    assert first.input.shape[1] == steps


def test_a_run_learns_and_leaves_its_files(tmp_path):
    config = dataclasses.replace(
        sine.PRESETS["smoke"], folder=str(tmp_path), testing_examples=40
    )
    figures = sine.main(config)
    assert float(figures["**RMSE**"]) < 0.5 * float(
        figures["RMSE before training"]
    )
    folder = tmp_path / config.name
    for file in ("report.md", "history.csv", "plots/sine.png"):
        assert (folder / file).is_file()
    (x, _), _ = sine.load_data(config)
    model = tf.saved_model.load(str(folder / "model" / "1"))
    found = model.signatures["serving_default"](values=tf.constant(x[:5]))
    assert found["next_value"].shape == (5, 1)


def test_a_seed_gives_the_same_run_again(tmp_path):
    config = dataclasses.replace(
        sine.PRESETS["smoke"], folder=str(tmp_path), steps=20
    )
    train, test = sine.load_data(config)

    def outputs():
        keras.utils.set_random_seed(config.seed)
        model = sine.build_model(config, train)
        sine.train_model(config, model, train, tmp_path)
        return model.predict(test[0], verbose=0)

    np.testing.assert_array_equal(outputs(), outputs())


def test_unknown_inputs_are_an_error():
    config = dataclasses.replace(sine.BOOK, inputs="step")
    with pytest.raises(ValueError, match="'features', 'steps' or 'changes'"):
        sine.build_model(config, sine.load_data(config)[0])
