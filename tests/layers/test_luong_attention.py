"""Tests of LuongAttention against TensorFlow Addons and NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.luong_attention import LuongAttention

WEIGHTS = {"memory_kernel": "memory_kernel", "g": "attention_g"}
ORACLES = [
    f"g1_luong_opt{option}_{kind}"
    for option in (0, 1)
    for kind in ("len", "none", "mask")
]


def layer_of(arrays, probability):
    """The layer with an oracle's weights."""
    layer = LuongAttention(
        scale="attention_g" in arrays, probability=probability
    )
    layer.build(arrays["query"].shape, arrays["memory"].shape)
    for name, key in WEIGHTS.items():
        if key in arrays:
            getattr(layer, name).assign(arrays[key])
    return layer


def run(layer, arrays):
    """Context and alignments of an oracle's inputs, and all gradients."""
    sources = {key: tf.constant(arrays[key]) for key in ("query", "memory")}
    with tf.GradientTape() as tape:
        tape.watch(sources)
        context, alignments = layer(**sources, mask=arrays["mask"])
        loss = tf.reduce_sum(alignments * arrays["ct_alignments"])
        loss += tf.reduce_sum(context * arrays["ct_context"])
    for name, key in WEIGHTS.items():
        if key in arrays:
            sources[key] = getattr(layer, name).value
    return context, alignments, tape.gradient(loss, sources)


@pytest.mark.parametrize("name", ORACLES)
def test_softmax_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    context, alignments, gradients = run(layer_of(arrays, "softmax"), arrays)
    np.testing.assert_allclose(alignments, arrays["alignments"], atol=1e-5)
    np.testing.assert_allclose(context, arrays["context"], atol=1e-5)
    for key, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient, arrays[f"grad_{key}"], atol=1e-4, err_msg=key
        )


@pytest.mark.parametrize("name", ORACLES)
def test_hardmax_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    context, alignments, gradients = run(layer_of(arrays, "hardmax"), arrays)
    np.testing.assert_array_equal(alignments, arrays["hard_alignments"])
    np.testing.assert_allclose(context, arrays["hard_context"], atol=1e-6)
    np.testing.assert_allclose(
        gradients.pop("memory"), arrays["hgrad_memory"], atol=1e-4
    )
    for key, gradient in gradients.items():
        assert gradient is None or not np.any(gradient), key


def numpy_alignments(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("scale", [False, True])
def test_dot_is_the_inner_product_of_query_and_memory(scale):
    rng = np.random.default_rng(1)
    query = rng.normal(size=(2, 3, 5)).astype("float32")
    memory = rng.normal(size=(2, 4, 5)).astype("float32")
    layer = LuongAttention(score="dot", scale=scale)
    layer.build(query.shape, memory.shape)
    g = 1.0
    if scale:
        g = 1.7
        assert float(layer.g) == 1.0
        layer.g.assign(g)
    assert len(layer.weights) == scale
    scores = g * np.einsum("btd,bsd->bts", query, memory)
    context, alignments = layer(query, memory)
    expected = numpy_alignments(scores)
    np.testing.assert_allclose(alignments, expected, atol=1e-5)
    np.testing.assert_allclose(context, expected @ memory, atol=1e-5)


@pytest.mark.parametrize("scale", [False, True])
def test_concat_is_one_matrix_on_query_and_memory_joined(scale):
    rng = np.random.default_rng(2)
    query = rng.normal(size=(2, 3, 5)).astype("float32")
    memory = rng.normal(size=(2, 4, 6)).astype("float32")
    layer = LuongAttention(7, score="concat", scale=scale)
    layer.build(query.shape, memory.shape)
    if scale:
        layer.g.assign(0.6)
    joined = np.concatenate([layer.query_kernel, layer.memory_kernel])
    scores = np.zeros((2, 3, 4))
    for b, t, s in np.ndindex(2, 3, 4):
        pair = np.concatenate([query[b, t], memory[b, s]])
        scores[b, t, s] = np.tanh(pair @ joined) @ np.asarray(layer.v)
    context, alignments = layer(query, memory)
    expected = numpy_alignments(scores * (0.6 if scale else 1))
    np.testing.assert_allclose(alignments, expected, atol=1e-5)
    np.testing.assert_allclose(context, expected @ memory, atol=1e-5)


def test_general_takes_the_query_depth_as_units():
    layer = LuongAttention(5)
    layer.build((2, 5), (2, 3, 4))
    assert tuple(layer.memory_kernel.shape) == (4, 5)


def test_units_other_than_the_query_depth_are_refused():
    with pytest.raises(ValueError, match="depth of the query, 5.*got 7.*Leave"):
        LuongAttention(7).build((2, 5), (2, 3, 4))


def test_dot_refuses_different_depths():
    with pytest.raises(ValueError, match="got 5 and 4.*'general'"):
        LuongAttention(score="dot").build((2, 5), (2, 3, 4))


def test_concat_needs_units():
    with pytest.raises(ValueError, match="`units`.*'concat'.*got None"):
        LuongAttention(score="concat")


def test_unknown_score_names_the_known_ones():
    with pytest.raises(ValueError, match="'dot', 'general', 'concat', got"):
        LuongAttention(score="cosine")
