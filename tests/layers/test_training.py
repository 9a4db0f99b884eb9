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
    "lstm": lambda: LSTM(
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


def losses(name):
    """Of each epoch of training to repeat the inputs, one batch an epoch.

    In the last three epochs nothing is learnt.
    """
    keras.utils.set_random_seed(5)
    inputs = keras.Input(
        (None, FEATURES), batch_size=BATCH if name == "stateful" else None
    )
    outputs = keras.layers.Dense(FEATURES)(LAYERS[name]()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = np.random.default_rng(1).normal(size=(BATCH, TIME, FEATURES))
    arguments = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    with recording():
        learning = model.fit(x, x, epochs=15, **arguments)
        model.optimizer.learning_rate = 0.0
        still = model.fit(x, x, epochs=3, **arguments)
    return learning.history["loss"], still.history["loss"]


@pytest.mark.parametrize("name", LAYERS)
def test_loss_falls_and_noise_is_drawn_at_every_step_from_the_seed(name):
    learning, still = losses(name)
    assert learning[-1] < 0.8 * learning[0]
    assert len(set(still)) == (1 if name == "parallel" else 3)
    assert losses(name) == (learning, still)


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
