"""The recipe that asks how far back a network remembers."""

import csv
import dataclasses

import keras
import numpy as np
import tensorflow as tf

from recipes import long_memory


def test_adding_problem_sums_one_marked_number_of_each_half():
    rng = np.random.default_rng(0)
    x, sums = long_memory.adding_problem(rng, 500, 10)
    assert x.shape == (500, 10, 2)
    assert x.dtype == sums.dtype == np.float32
    marks = x[..., 1]
    np.testing.assert_array_equal(marks[:, :5].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, 5:].sum(axis=1), 1)
    np.testing.assert_allclose(sums[:, 0], (x[..., 0] * marks).sum(axis=1))
    # every step is marked at times
    assert np.all(marks.sum(axis=0) > 50)


def test_without_memory_the_adding_problem_costs_a_sixth():
    _, sums = long_memory.adding_problem(np.random.default_rng(0), 10**6, 2)
    np.testing.assert_allclose(np.mean((sums - 1) ** 2), 1 / 6, rtol=5e-3)
    assert long_memory.baseline(long_memory.ADDING) == 1 / 6


def test_copy_task_repeats_its_symbols_after_the_silence():
    x, targets = long_memory.copy_task(np.random.default_rng(0), 4, 7)
    ids = x.argmax(axis=-1)
    assert x.shape == (4, 27, 10)
    np.testing.assert_array_equal(x.sum(axis=-1), 1)
    assert ids[:, :10].min() >= 1 and ids[:, :10].max() <= 8
    assert not ids[:, 10:17].any()
    assert np.all(ids[:, 17:] == 9)
    assert not targets[:, :17].any()
    np.testing.assert_array_equal(targets[:, 17:], ids[:, :10])


def test_baseline_of_the_copy_task_is_that_of_the_literature():
    config = dataclasses.replace(long_memory.COPY, time=1000)
    np.testing.assert_allclose(long_memory.baseline(config), 0.02039, atol=5e-6)


def smoke(folder, **kwargs):
    return dataclasses.replace(
        long_memory.PRESETS["smoke"], folder=str(folder), **kwargs
    )


def test_a_run_learns_and_leaves_its_files(tmp_path):
    config = smoke(tmp_path, cells=("GRU",), steps=300)
    figures = long_memory.main(config)
    assert float(figures["GRU: test loss"]) < 0.8 / 6
    folder = tmp_path / config.name
    for file in (
        "report.md",
        "GRU/history.csv",
        "plots/gradients_before.png",
        "plots/gradients_after.png",
        "plots/losses.png",
    ):
        assert (folder / file).is_file()
    with open(folder / "gradients.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[:2] for row in rows[1:]] == [
        ["GRU", "before"],
        ["GRU", "after"],
    ]
    assert all(float(x) > 0 for row in rows[1:] for x in row[2:])
    x, _ = long_memory.draw_batch(config, np.random.default_rng(1), 5)
    model = tf.saved_model.load(str(folder / "model" / "gru" / "1"))
    found = model.signatures["serving_default"](inputs=tf.constant(x))
    assert found["outputs"].shape == (5, 1)


def test_the_copy_task_runs(tmp_path):
    config = smoke(tmp_path, cells=("LSTM",), task="copy", steps=20, time=3)
    figures = long_memory.main(config)
    assert np.isfinite(float(figures["LSTM: test loss"]))


def test_a_seed_gives_the_same_training_again(tmp_path):
    config = smoke(tmp_path, steps=20)
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(config.seed)
        model = long_memory.build_model(config, "SimpleRNN")
        losses.append(long_memory.train_model(config, model, tmp_path))
    assert losses[0] == losses[1]
