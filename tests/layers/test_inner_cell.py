"""Cells run within layers of another dtype policy."""

import keras
import numpy as np
import pytest

from tests.backend import recording
from zoo.layers import RNN
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import Bidirectional
from zoo.layers import GNMTCell
from zoo.layers import HighwayCell
from zoo.layers import LSTMCell
from zoo.layers import LuongAttention
from zoo.layers import ResidualCell
from zoo.layers import StackedRNNCells

BATCH, TIME, UNITS = 3, 5, 4
X = np.random.default_rng(1).normal(size=(BATCH, TIME, UNITS)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 1, 0]], bool)


def decoder(cell):
    """A layer that reads its own inputs with attention."""
    decode = AttentionDecoder(cell)
    return lambda x, mask: decode(x, x, mask=mask)[0]


def recurrent(cell):
    layer = RNN(cell, return_sequences=True)
    return lambda x, mask: layer(x, mask=mask)


def both_directions(cell):
    layer = Bidirectional(RNN(cell, return_sequences=True))
    return lambda x, mask: layer(x, mask=mask)


LAYERS = {
    "rnn": lambda inner: recurrent(inner()),
    "stack": lambda inner: recurrent(StackedRNNCells([inner(), inner()])),
    "residual": lambda inner: recurrent(ResidualCell(inner())),
    "highway": lambda inner: recurrent(HighwayCell(inner())),
    "both directions": lambda inner: both_directions(inner()),
    "attention": lambda inner: decoder(
        AttentionCell(inner(), LuongAttention(), attention_units=UNITS)
    ),
    "attention, not fed": lambda inner: decoder(
        AttentionCell(inner(), LuongAttention(), input_feeding=False)
    ),
    "stack with attention": lambda inner: decoder(
        AttentionCell(StackedRNNCells([inner(), inner()]), LuongAttention())
    ),
    "gnmt": lambda inner: decoder(
        GNMTCell([inner(), inner(), inner()], LuongAttention())
    ),
}


def make_model(name, policy, other):
    """A model of one layer of `policy`, whose cells are of `other`."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(2)
    inputs = keras.Input((TIME, UNITS), dtype="float32")
    mask = keras.Input((TIME,), dtype="bool")
    layer = LAYERS[name](lambda: LSTMCell(UNITS, dtype=other))
    outputs = layer(inputs, mask)
    assert outputs.dtype == policy.removeprefix("mixed_")
    outputs = keras.layers.GlobalAveragePooling1D(dtype="float32")(outputs)
    model = keras.Model([inputs, mask], outputs)
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
    return model


OTHERS = [("float32", "mixed_bfloat16"), ("mixed_bfloat16", "float32")]


@pytest.fixture(scope="module", params=LAYERS)
def wrapped(request):
    """A layer's name, its weights and its outputs, all in float32."""
    model = make_model(request.param, "float32", "float32")
    outputs = model.predict([X, MASK], verbose=0)
    return request.param, model.get_weights(), outputs


@pytest.mark.parametrize(("policy", "other"), OTHERS)
def test_a_cell_of_another_dtype_does_what_one_of_float32_does(
    wrapped, policy, other
):
    name, weights, expected = wrapped
    model = make_model(name, policy, other)
    model.set_weights(weights)
    found = model.predict([X, MASK], verbose=0)
    np.testing.assert_allclose(found, expected, atol=2e-2)


@pytest.mark.parametrize(("policy", "other"), OTHERS)
def test_cells_of_another_dtype_learn(policy, other):
    model = make_model("stack with attention", policy, other)
    targets = np.full((BATCH, model.output_shape[-1]), 0.5, "float32")
    with recording():
        history = model.fit([X, MASK], targets, epochs=9, verbose=0).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]


def test_a_cell_of_keras_runs_within_another_dtype():
    cell = keras.layers.GRUCell(UNITS, dtype="float32")
    found = RNN(cell, return_sequences=True, dtype="mixed_bfloat16")(X)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    expected = keras.layers.RNN(cell, return_sequences=True)(X)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.cast(found, "float32")),
        keras.ops.convert_to_numpy(expected),
        atol=2e-2,
    )
