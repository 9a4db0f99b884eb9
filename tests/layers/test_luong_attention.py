"""Tests of LuongAttention against TensorFlow Addons and NumPy."""

import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import tensorflow_only
from tests.backend import tensors
from tests.backend import with_gradients
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
    cotangents = tensors([arrays["ct_context"], arrays["ct_alignments"]])

    def loss(query, memory):
        outputs = layer(query, memory, mask=arrays["mask"])
        return sum(
            map(ops.sum, map(ops.multiply, outputs, cotangents))
        ), outputs

    weights = {
        key: getattr(layer, name)
        for name, key in WEIGHTS.items()
        if key in arrays
    }
    sources = [arrays["query"], arrays["memory"]]
    outputs, gradients = with_gradients(loss, sources, weights.values())
    keys = ["query", "memory", *weights]
    return *outputs, dict(zip(keys, gradients, strict=True))


@pytest.mark.parametrize("name", ORACLES)
def test_softmax_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    layer = layer_of(arrays, "softmax")
    context, alignments, gradients = run(layer, arrays)
    # TensorFlow Addons scores padding, too, as if it held zeros
    keys = layer.project(arrays["memory"] * arrays["mask"][..., None])
    scores = numpy_of(layer.compute_scores(tensors(arrays["query"]), keys))
    np.testing.assert_allclose(scores, arrays["scores_raw"], atol=1e-5)
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
        assert not np.any(numpy_of(gradient)), key


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
    joined = np.concatenate(
        [numpy_of(layer.query_kernel), numpy_of(layer.memory_kernel)]
    )
    scores = np.zeros((2, 3, 4))
    for b, t, s in np.ndindex(2, 3, 4):
        pair = np.concatenate([query[b, t], memory[b, s]])
        scores[b, t, s] = np.tanh(pair @ joined) @ np.asarray(layer.v)
    context, alignments = layer(query, memory)
    expected = numpy_alignments(scores * (0.6 if scale else 1))
    np.testing.assert_allclose(alignments, expected, atol=1e-5)
    np.testing.assert_allclose(context, expected @ memory, atol=1e-5)


@pytest.mark.parametrize("scale", [False, True])
def test_location_scores_positions_by_the_query_alone(scale):
    rng = np.random.default_rng(3)
    query = rng.normal(size=(2, 3, 5)).astype("float32")
    memory = rng.normal(size=(2, 4, 6)).astype("float32")
    mask = np.array([[True, False, True, True], [True, True, False, False]])
    layer = LuongAttention(score="location", scale=scale, max_source_length=8)
    layer.build(query.shape, memory.shape)
    assert tuple(layer.location_kernel.shape) == (5, 8)
    if scale:
        layer.g.assign(0.6)
    scores = query @ np.asarray(layer.location_kernel)[:, :4]
    weights = np.exp(scores * (0.6 if scale else 1)) * mask[:, None]
    expected = weights / weights.sum(-1, keepdims=True)
    for mode in ("eager", MODES[-1]):
        call = compiled(lambda *x: layer(*x[:2], mask=x[2]), mode)
        context, alignments = call(query, memory, mask)
        np.testing.assert_allclose(alignments, expected, atol=1e-5)
        np.testing.assert_allclose(context, expected @ memory, atol=1e-5)


def test_location_trains_the_columns_of_a_shorter_memory():
    layer = LuongAttention(score="location", max_source_length=5)
    query, memory = np.ones((2, 3), "float32"), np.eye(4)[None].repeat(2, 0)
    layer(query, memory)
    (gradient,) = gradients(
        lambda: ops.sum(layer(query, memory)[0][:, 0]),
        [],
        [layer.location_kernel],
    )
    assert (gradient[:, :4] != 0).all() and (gradient[:, 4:] == 0).all()


def test_memory_longer_than_the_longest_is_refused():
    layer = LuongAttention(score="location", max_source_length=4)
    query, memory = np.ones((2, 3), "float32"), np.ones((2, 5, 6), "float32")
    with pytest.raises(ValueError, match="`max_source_length` = 4.*got 5.*lar"):
        layer(query, memory)
    layer(query, memory[:, :4])
    with pytest.raises(ValueError, match="`max_source_length` = 4.*got 5.*lar"):
        layer(query, memory)


@tensorflow_only
def test_memory_found_to_be_longer_in_a_graph_is_refused():
    import tensorflow as tf

    layer = LuongAttention(score="location", max_source_length=4)
    query, memory = np.ones((2, 3), "float32"), np.ones((2, 5, 6), "float32")
    layer(query, memory[:, :4])
    unknown = tf.TensorSpec((None, None, 6))
    graph = tf.function(lambda memory: layer(query, memory)[0])
    graph = graph.get_concrete_function(unknown)
    assert graph(tf.constant(memory[:, :4])).shape == (2, 6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(tf.constant(memory))


@pytest.mark.parametrize("length", [None, 0, -1, 2.5, True, "3"])
def test_location_needs_the_longest_memory(length):
    with pytest.raises(ValueError, match="`max_source_length`.*positive int"):
        LuongAttention(score="location", max_source_length=length)


def test_other_scores_refuse_a_longest_memory():
    with pytest.raises(ValueError, match="got 7 with `score='general'`.*Leave"):
        LuongAttention(max_source_length=7)


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
    with pytest.raises(ValueError, match="'general', 'concat', 'location', g"):
        LuongAttention(score="cosine")
