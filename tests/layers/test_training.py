"""Every kind of layer trains in a compiled model, on every backend."""

import keras
import numpy as np
import pytest

from tests.backend import recording
from zoo.layers import GRU
from zoo.layers import LSTM
from zoo.layers import RNN
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import BahdanauMonotonicAttention
from zoo.layers import Bidirectional
from zoo.layers import LSTMCell
from zoo.layers import LuongAttention
from zoo.layers import MinLSTM
from zoo.layers import ResidualCell
from zoo.layers import StackedRNNCells

BATCH, TIME, FEATURES, UNITS = 8, 5, 3, 4
RANDOM = {
    "dropout": 0.1,
    "recurrent_dropout": 0.1,
    "zoneout_h": 0.1,
    "zoneout_c": 0.1,
    "weight_drop": 0.1,
    "seed": 3,
}


def decode(attention, cell):
    """A decoder that reads the sequence that it is fed with as well."""

    def layer(x):
        decoder = AttentionDecoder(AttentionCell(cell, attention))
        return decoder(x, GRU(UNITS, return_sequences=True)(x))[0]

    return layer


LAYERS = {
    "lstm": lambda: LSTM(UNITS, return_sequences=True, **RANDOM),
    "lstm options": lambda: LSTM(
        6,
        return_sequences=True,
        peephole=True,
        layer_normalization=True,
        projection=UNITS,
        **RANDOM,
    ),
    "both directions": lambda: Bidirectional(
        LSTM(UNITS, return_sequences=True, **RANDOM)
    ),
    "stack": lambda: RNN(
        StackedRNNCells(
            [LSTMCell(UNITS, **RANDOM), ResidualCell(LSTMCell(UNITS, **RANDOM))]
        ),
        return_sequences=True,
    ),
    "parallel": lambda: MinLSTM(UNITS, return_sequences=True),
    "stateful": lambda: LSTM(
        UNITS, return_sequences=True, stateful=True, **RANDOM
    ),
    "decoder": lambda: decode(LuongAttention(), LSTMCell(UNITS, **RANDOM)),
    "monotonic": lambda: decode(
        BahdanauMonotonicAttention(UNITS, sigmoid_noise=0.5, seed=4),
        LSTMCell(UNITS, **RANDOM),
    ),
}
NOISY = [name for name in LAYERS if name != "parallel"]


def model_of(name):
    keras.utils.set_random_seed(5)
    inputs = keras.Input(
        (None, FEATURES), batch_size=BATCH if name == "stateful" else None
    )
    outputs = keras.layers.Dense(FEATURES)(LAYERS[name]()(inputs))
    return keras.Model(inputs, outputs)


def losses(name):
    """Of each epoch of training to repeat the inputs, one batch an epoch."""
    x = np.random.default_rng(1).normal(size=(BATCH, TIME, FEATURES))
    model = model_of(name)
    model.compile(keras.optimizers.Adam(0.03), "mse")
    with recording():
        history = model.fit(x, x, batch_size=BATCH, epochs=25, verbose=0)
    return history.history["loss"]


@pytest.mark.parametrize("name", LAYERS)
def test_loss_falls_and_is_the_same_again_with_the_same_seed(name):
    first = losses(name)
    assert first[-1] < 0.8 * first[0]
    assert losses(name) == first


@pytest.mark.parametrize("name", NOISY)
def test_every_training_step_draws_its_own_noise(name):
    model = model_of(name)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.random.default_rng(1).normal(size=(BATCH, TIME, FEATURES))
    with recording():
        history = model.fit(x, x, batch_size=BATCH, epochs=4, verbose=0)
    assert len(set(history.history["loss"])) == 4


def test_padding_changes_nothing_in_a_compiled_model():
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(9, FEATURES, mask_zero=True)(ids)
    memory, *state = LSTM(UNITS, return_sequences=True, return_state=True)(
        embedded
    )
    decoder = AttentionDecoder(AttentionCell(LSTMCell(UNITS), LuongAttention()))
    read, *_ = decoder(embedded, memory, initial_state=state)
    again = LSTM(UNITS)(read, initial_state=state)
    context, _ = LuongAttention()(again, memory)
    model = keras.Model(ids, [again, context])
    short = np.array([[3, 1, 4], [1, 5, 2], [6, 5, 3]])
    padded = np.pad(short, ((0, 0), (1, 2)))
    for given, expected in zip(
        model.predict(padded, verbose=0),
        model.predict(short, verbose=0),
        strict=True,
    ):
        np.testing.assert_allclose(given, expected, atol=1e-5)
