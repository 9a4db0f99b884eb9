"""A training whose process was killed goes on as if nothing had been."""

import keras
import numpy as np
import pytest

from zoo.training import BestBleu
from zoo.training import NonMonotonicAverage
from zoo.training import Resume

X = np.random.default_rng(0).normal(size=(24, 5)).astype("float32")
Y = np.sin(X.sum(axis=1, keepdims=True))


class Killed(Exception):
    """Stands for the end of the process."""


class Kill(keras.callbacks.Callback):
    """Ends it in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.left = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.left -= 1

    def on_train_batch_end(self, batch, logs=None):
        if self.left < 0 and batch == 1:
            raise Killed


class Average(NonMonotonicAverage):
    """Begins after the third epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.measured(float(epoch))


def make_model(dtype="float32"):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(6, "tanh", dtype=dtype),
            keras.layers.Dropout(0.5, seed=4),
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.Dense(1, dtype=dtype),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 30)
    model.compile(keras.optimizers.Adam(rate, use_ema=True), "mse")
    return model


def train(path, epochs=5, kill_after=99, model=None, **kwargs):
    model = model or make_model()
    average = Average(1)
    resume = Resume(path, callbacks=[average], **kwargs)
    model.fit(
        X,
        Y,
        batch_size=4,
        shuffle=False,
        initial_epoch=resume.first_epoch,
        epochs=epochs,
        verbose=0,
        callbacks=[
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            average,
            resume,
            Kill(kill_after),
        ],
    )
    return model, average, resume


@pytest.mark.parametrize("kill_after", [1, 4])
def test_the_epochs_after_are_those_of_a_training_without_end(
    tmp_path, kill_after
):
    expected, average, _ = train(tmp_path / "whole.npz")
    path = tmp_path / "resume.npz"
    with pytest.raises(Killed):
        train(path, kill_after=kill_after)
    assert [x.name for x in tmp_path.iterdir()] == ["resume.npz"]
    found, average_found, resume = train(path)
    assert resume.first_epoch == kill_after
    assert resume.seconds > 0
    for x, y in zip(
        [*found.variables, *found.optimizer.variables],
        [*expected.variables, *expected.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(np.array(x), np.array(y))
    assert average_found.steps == average.steps == 12
    assert average_found.measures == average.measures
    for x, y in zip(average_found.average, average.average, strict=True):
        np.testing.assert_array_equal(np.array(x), np.array(y))
    assert not list(tmp_path.iterdir())


def test_the_first_epoch_leaves_nothing_to_go_on_with(tmp_path):
    path = tmp_path / "resume.npz"
    with pytest.raises(Killed):
        train(path, kill_after=0)
    assert not path.exists()


def test_bfloat16_weights_are_kept(tmp_path):
    path = tmp_path / "resume.npz"
    with pytest.raises(Killed):
        train(path, kill_after=1, model=make_model("bfloat16"))
    _, _, resume = train(path, model=make_model("bfloat16"))
    assert resume.first_epoch == 1


def test_other_settings_are_named(tmp_path):
    path = tmp_path / "resume.npz"
    with pytest.raises(Killed):
        train(path, kill_after=1, settings={"rate": 0.1, "layers": (1, 2)})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"others: rate 0\.1, now 0\.2\. Go"):
        Resume(path, {"rate": 0.2, "layers": (1, 2)})
    with pytest.raises(ValueError, match="others: None"):
        Resume(path)
    assert path.read_bytes() == before


def test_another_model_is_an_error(tmp_path):
    path = tmp_path / "resume.npz"
    with pytest.raises(Killed):
        train(path, kill_after=1)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(use_ema=True), "mse")
    with pytest.raises(ValueError, match="Expected the variables of this"):
        train(path, model=model)


def test_a_file_of_another_kind_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"ends in `\.npz`, got '.*a\.h5'"):
        Resume(tmp_path / "a.h5")


def test_the_best_bleu_is_remembered(tmp_path):
    first = BestBleu(["a"], ["b"], tmp_path / "best.weights.h5")
    first.best_bleu, first.best_epoch = 31.5, 7
    second = BestBleu(["a"], ["b"], tmp_path / "best.weights.h5")
    second.set_state({k: np.array(v) for k, v in first.get_state().items()})
    assert (second.best_bleu, second.best_epoch) == (31.5, 7)
