"""Tests of CoverageAttention against a loop in NumPy."""

import numpy as np
import pytest
from keras import ops

from tests.backend import numpy_of
from tests.backend import precision
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.coverage_attention import CoverageAttention

BATCH, TIME, SOURCE, QUERY, DEPTH, UNITS = 3, 4, 7, 5, 6, 8
DTYPE = precision("float64", "float32")

# Padding left, right and between; row 2 is all padding.
MASK = np.array([[0, 1, 1, 0, 1, 0, 0], [1] * 7, [0] * 7], bool)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape)


def build(normalize, **kwargs):
    """A layer with random weights."""
    layer = CoverageAttention(UNITS, normalize, dtype=DTYPE, **kwargs)
    layer.build((BATCH, TIME, QUERY), (BATCH, SOURCE, DEPTH))
    layer.set_weights([draw(*x.shape) for x in layer.weights])
    return layer


def loop(weights, query, memory):
    """Context and alignments, step after step and row after row."""
    context = np.zeros((BATCH, TIME, DEPTH))
    alignments = np.zeros((BATCH, TIME, SOURCE))
    v = weights["v"]
    if "g" in weights:
        v = weights["g"] * v / np.linalg.norm(v)
    for b, t in np.ndindex(BATCH, TIME):
        real = np.flatnonzero(MASK[b])
        if not real.size:
            continue
        coverage = alignments[b].sum(0)
        hidden = (
            query[b, t] @ weights["query_kernel"]
            + memory[b, real] @ weights["memory_kernel"]
            + np.outer(coverage[real], weights["coverage_kernel"])
            + weights["b"]
        )
        e = np.exp(np.tanh(hidden) @ v)
        alignments[b, t, real] = e / e.sum()
        context[b, t] = alignments[b, t] @ memory[b]
    return context, alignments


@pytest.mark.parametrize("normalize", [False, True])
def test_values_and_gradients_are_those_of_a_loop(normalize):
    layer = build(normalize)
    names = [weight.name for weight in layer.weights]
    assert ("g" in names) == normalize and names.count("b") == 1
    arrays = {
        "query": draw(BATCH, TIME, QUERY),
        "memory": draw(BATCH, SOURCE, DEPTH),
        **dict(zip(names, layer.get_weights(), strict=True)),
    }
    cotangents = draw(BATCH, TIME, DEPTH), draw(BATCH, TIME, SOURCE)

    def loss(query, memory):
        outputs = layer(query, memory, mask=MASK)
        products = map(ops.multiply, outputs, tensors(cotangents))
        return sum(map(ops.sum, products)), outputs

    outputs, found = with_gradients(
        loss, [arrays["query"], arrays["memory"]], layer.weights
    )

    def loop_of(**changed):
        arrays_of = arrays | changed
        return loop(arrays_of, arrays_of["query"], arrays_of["memory"])

    for given, expected in zip(outputs, loop_of(), strict=True):
        np.testing.assert_allclose(given, expected, atol=precision(1e-10, 1e-4))
    for key, gradient in zip(arrays, found, strict=True):
        change = 1e-6 * draw(2, *arrays[key].shape)[0]
        ahead, behind = (
            sum(
                np.sum(y * c)
                for y, c in zip(
                    loop_of(**{key: arrays[key] + e * change}),
                    cotangents,
                    strict=True,
                )
            )
            for e in (1, -1)
        )
        expected = (ahead - behind) / 2
        given = np.sum(numpy_of(gradient) * change)
        np.testing.assert_allclose(
            given,
            expected,
            rtol=precision(1e-5, 1e-3),
            atol=precision(1e-12, 1e-9),
            err_msg=key,
        )
        assert abs(expected) > 1e-10, key


def test_first_step_is_additive_attention():
    layer = build(normalize=True)
    plain = BahdanauAttention(UNITS, normalize=True, dtype=DTYPE)
    query, memory = draw(BATCH, TIME, QUERY), draw(BATCH, SOURCE, DEPTH)
    plain.build(query.shape, memory.shape)
    for name in ("query_kernel", "memory_kernel", "v", "g", "b"):
        getattr(plain, name).assign(getattr(layer, name))
    expected = plain(query, memory, mask=MASK)[1][:, 0]
    alignments = layer(query, memory, mask=MASK)[1]
    np.testing.assert_allclose(
        alignments[:, 0], expected, atol=precision(1e-12, 1e-5)
    )
    np.testing.assert_allclose(
        layer(query[:, 0], memory, mask=MASK)[1],
        expected,
        atol=precision(1e-12, 1e-5),
    )


def test_score_can_shun_what_is_covered():
    layer = build(normalize=False)
    query = np.repeat(draw(1, 1, QUERY), TIME, axis=1)
    memory = draw(1, 4, DEPTH)
    layer.set_weights([np.zeros(x.shape) for x in layer.weights])
    layer.memory_kernel.assign(draw(DEPTH, UNITS) / 10)
    layer.coverage_kernel.assign(np.full(UNITS, -20.0))
    layer.v.assign(np.full(UNITS, 200.0))
    _, alignments = layer(query, memory)
    np.testing.assert_allclose(numpy_of(alignments)[0].sum(0), 1, atol=0.2)
    assert sorted(numpy_of(alignments)[0].argmax(-1)) == [0, 1, 2, 3]


def test_state_needs_the_memory():
    with pytest.raises(ValueError, match="`memory`.*got None.*Call"):
        CoverageAttention(6).get_initial_state(2)
