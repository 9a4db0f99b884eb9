"""Tests of both monotonic attentions against TensorFlow Addons and NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.bahdanau_monotonic_attention import BahdanauMonotonicAttention
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_monotonic_attention import LuongMonotonicAttention

BATCH, TIME, SOURCE, QUERY, DEPTH = 2, 3, 6, 5, 4
WEIGHTS = {
    "query_kernel": "query_kernel",
    "memory_kernel": "memory_kernel",
    "v": "attention_v",
    "b": "attention_b",
    "g": "attention_g",
    "score_bias": "score_bias",
}
NAMES = [
    f"g7_{score}_opt{option}_{mode}"
    for score in ("luong", "bahdanau")
    for option in (0, 1)
    for mode in ("parallel", "recursive", "hard")
]
MAKERS = {
    "luong": lambda **k: LuongMonotonicAttention(**k),
    "bahdanau": lambda **k: BahdanauMonotonicAttention(7, **k),
}
every_maker = pytest.mark.parametrize(
    "make", MAKERS.values(), ids=MAKERS.keys()
)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def layer_of(name, arrays):
    """The layer with an oracle's weights."""
    _, score, _, mode = name.split("_")
    option = "attention_g" in arrays
    if score == "luong":
        layer = LuongMonotonicAttention(scale=option, mode=mode)
    else:
        units = arrays["attention_v"].size
        layer = BahdanauMonotonicAttention(units, normalize=option, mode=mode)
    layer.build(arrays["query"].shape, arrays["memory"].shape)
    for attribute, key in WEIGHTS.items():
        if key in arrays:
            getattr(layer, attribute).assign(arrays[key])
    return layer


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_of_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    layer = layer_of(name, arrays)
    cotangents = tensors([arrays["ct_context"], arrays["ct_alignments"]])

    def loss(query, memory):
        outputs = layer(query, memory, mask=arrays["mask"])
        return sum(
            map(ops.sum, map(ops.multiply, outputs, cotangents))
        ), outputs

    weights = {
        key: getattr(layer, attribute)
        for attribute, key in WEIGHTS.items()
        if key in arrays
    }
    (context, alignments), found = with_gradients(
        loss, [arrays["query"], arrays["memory"]], weights.values()
    )
    keys = ["query", "memory", *weights]
    if layer.mode == "hard":
        np.testing.assert_array_equal(alignments, arrays["alignments"])
    else:
        np.testing.assert_allclose(alignments, arrays["alignments"], atol=2e-5)
    np.testing.assert_allclose(context, arrays["context"], atol=2e-5)
    for key, gradient in zip(keys, found, strict=True):
        if f"grad_{key}" in arrays:
            np.testing.assert_allclose(
                gradient, arrays[f"grad_{key}"], atol=3e-4, err_msg=key
            )
        else:
            assert layer.mode == "hard"
            assert not np.any(numpy_of(gradient)), key


@every_maker
def test_noise_is_added_in_training_only(make):
    query, memory = draw(BATCH, TIME, QUERY), draw(BATCH, SOURCE, DEPTH)
    noisy = make(sigmoid_noise=2.0, seed=3)
    still = make()
    for layer in (noisy, still):
        layer.build(query.shape, memory.shape)
    still.set_weights(noisy.get_weights())
    expected = still(query, memory)[1]
    np.testing.assert_array_equal(noisy(query, memory)[1], expected)
    np.testing.assert_array_equal(
        still(query, memory, training=True)[1], expected
    )
    first = noisy(query, memory, training=True)[1]
    second = noisy(query, memory, training=True)[1]
    assert numpy_of(abs(first - second)).max() > 0.01
    again = make(sigmoid_noise=2.0, seed=3)
    again.build(query.shape, memory.shape)
    again.set_weights(noisy.get_weights())
    np.testing.assert_array_equal(again(query, memory, training=True)[1], first)


@every_mode
def test_noise_reaches_every_step_of_a_decoder(mode):
    # A memory and queries that are all alike: only noise tells steps apart.
    mechanism = LuongMonotonicAttention(
        score="dot", mode="hard", sigmoid_noise=1.0, seed=3
    )
    decoder = AttentionDecoder(AttentionCell(LSTMCell(DEPTH), mechanism))
    inputs, memory = np.zeros((64, 4, 2), "float32"), np.zeros((64, 50, DEPTH))
    decoder.build(inputs.shape, memory.shape)
    still, noisy = (
        compiled(
            lambda training=training: decoder(
                inputs, memory, training=training
            )[1],
            mode,
            variables=[mechanism.seed_generator.state],
        )
        for training in (False, True)
    )
    assert not np.any(numpy_of(still()))
    alignments = numpy_of(noisy())
    np.testing.assert_array_equal(alignments.sum(-1), 1)
    # A pointer stays with probability 1/2, so that it moves on by 1 on
    # average; noise shared by rows or by steps would be far from that.
    moved = np.diff(alignments.argmax(-1), axis=1, prepend=0)
    assert 0.75 < moved.mean() < 1.25
    assert (moved.std(axis=0) > 0.8).all() and moved.min() == 0
    assert np.abs(numpy_of(noisy()) - alignments).max() == 1


@every_maker
def test_bias_moves_the_pointer_on(make):
    query, memory = draw(BATCH, TIME, QUERY), draw(BATCH, SOURCE, DEPTH)
    layer = make(score_bias_initializer=keras.initializers.Constant(-30.0))
    alignments = layer(query, memory)[1]
    assert float(layer.score_bias) == -30
    assert np.abs(numpy_of(alignments)).max() < 1e-6
    layer.score_bias.assign(30.0)
    np.testing.assert_allclose(layer(query, memory)[1][..., 0], 1, atol=1e-6)


@every_maker
@pytest.mark.parametrize("mode", ["parallel", "recursive"])
def test_modes_share_their_weights(make, mode):
    query, memory = draw(BATCH, TIME, QUERY), draw(BATCH, SOURCE, DEPTH)
    mask = np.array([[0, 1, 1, 0, 1, 1], [1, 1, 1, 0, 0, 0]], bool)
    layer = make(mode=mode)
    layer.build(query.shape, memory.shape)
    layer.set_weights([99 * draw(*x.shape) for x in layer.weights])
    hard = make(mode="hard")
    hard.build(query.shape, memory.shape)
    hard.set_weights(layer.get_weights())
    # Scores so large that a sigmoid has decided too.
    expected = hard(query, memory, mask=mask)[1]
    assert np.any(numpy_of(expected))
    np.testing.assert_allclose(
        layer(query, memory, mask=mask)[1], expected, atol=1e-2
    )


def test_probability_is_refused():
    with pytest.raises(ValueError, match="no `probability`.*'softmax'.*`mode`"):
        LuongMonotonicAttention(probability="softmax")


def test_unknown_mode_names_the_known_ones():
    with pytest.raises(ValueError, match="'recursive', 'hard', got 'soft'"):
        BahdanauMonotonicAttention(6, mode="soft")


@pytest.mark.parametrize("noise", [-0.5, True, "1", None, float("nan")])
def test_noise_must_be_a_number_from_zero_on(noise):
    with pytest.raises(ValueError, match="`sigmoid_noise`.*from 0 on, got"):
        BahdanauMonotonicAttention(6, sigmoid_noise=noise)


def test_state_needs_the_memory():
    with pytest.raises(ValueError, match="`memory`.*got None.*Call"):
        LuongMonotonicAttention().get_initial_state(2)
