"""Tests of FixedNormEmbedding against NumPy."""

import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from zoo.layers import FixedNormEmbedding

TOKENS, DIM = 7, 4


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def make(**arguments):
    layer = FixedNormEmbedding(TOKENS, DIM, **arguments)
    layer.build((None,))
    layer.set_weights([draw(*x.shape) for x in layer.get_weights()])
    return layer


@pytest.mark.parametrize("tie_weights", [True, False])
@every_mode
def test_equation(tie_weights, mode):
    layer = make(tie_weights=tie_weights)
    rows = np.asarray(layer.embeddings)
    if not tie_weights:
        rows = np.asarray(layer.reverse_embeddings).T
    hidden = draw(2, 3, DIM)
    expected = np.zeros((2, 3, TOKENS))
    for v in range(TOKENS):
        norm = np.sqrt(sum(rows[v] ** 2))
        expected[..., v] = float(layer.scale) * (hidden @ rows[v]) / norm
    found = compiled(lambda x: layer(x, reverse=True), mode)(hidden)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_forward_is_an_embedding():
    layer = make()
    ids = np.array([[0, 6], [3, 3]])
    np.testing.assert_array_equal(layer(ids), np.asarray(layer.embeddings)[ids])


def test_a_new_layer_has_logits_as_large_as_its_input():
    layer = FixedNormEmbedding(500, 64)
    logits = layer(draw(20, 64), reverse=True)
    assert 0.8 < np.std(numpy_of(logits)) < 1.2


def test_rows_of_large_numbers_do_not_overflow_in_half_precision():
    layer = make(dtype="mixed_float16")
    layer.embeddings.assign(1000 * layer.embeddings.value)
    logits = layer(ops.cast(draw(2, DIM) / 1000, "float16"), reverse=True)
    assert np.all(np.isfinite(numpy_of(logits)))


def test_a_row_of_zeros_scores_zero():
    layer = make()
    layer.embeddings.assign(np.zeros((TOKENS, DIM)))
    assert not np.any(numpy_of(layer(draw(2, DIM), reverse=True)))
