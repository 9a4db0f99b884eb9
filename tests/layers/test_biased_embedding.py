"""Tests of BiasedEmbedding against NumPy."""

import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from zoo.layers import BiasedEmbedding

TOKENS, DIM = 7, 4


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def make(**arguments):
    layer = BiasedEmbedding(TOKENS, DIM, **arguments)
    layer.build((None,))
    layer.set_weights([draw(*x.shape) for x in layer.get_weights()])
    return layer


@pytest.mark.parametrize("tie_weights", [True, False])
@every_mode
def test_equation(tie_weights, mode):
    layer = make(tie_weights=tie_weights)
    kernel = numpy_of(layer.embeddings).T
    if not tie_weights:
        kernel = numpy_of(layer.reverse_embeddings)
    hidden = draw(2, 3, DIM)
    found = compiled(lambda x: layer(x, reverse=True), mode)(hidden)
    expected = hidden @ kernel + numpy_of(layer.bias)
    np.testing.assert_allclose(numpy_of(found), expected, atol=1e-5)


def test_a_kernel_of_another_width():
    layer = make(tie_weights=False, reverse_dim=6)
    assert tuple(layer(np.array([[1, 2]])).shape) == (1, 2, DIM)
    hidden = draw(2, 6)
    expected = hidden @ numpy_of(layer.reverse_embeddings)
    expected += numpy_of(layer.bias)
    found = numpy_of(layer(hidden, reverse=True))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    copy = BiasedEmbedding.from_config(layer.get_config())
    assert copy.reverse_dim == 6


def test_shared_embeddings_have_one_width():
    with pytest.raises(ValueError, match="reverse_dim=6"):
        BiasedEmbedding(TOKENS, DIM, reverse_dim=6)


def test_forward_is_an_embedding():
    layer = make()
    ids = np.array([[0, 6], [3, 3]])
    np.testing.assert_array_equal(
        numpy_of(layer(ids)), numpy_of(layer.embeddings)[ids]
    )


def test_the_bias_starts_at_zero_and_learns():
    layer = BiasedEmbedding(TOKENS, DIM)
    layer.build((None,))
    assert not numpy_of(layer.bias).any()
    weights = ops.convert_to_tensor(draw(TOKENS))
    *_, d_bias = gradients(
        lambda x: ops.sum(layer(x, reverse=True) * weights),
        [draw(3, DIM)],
        [layer.bias],
    )
    np.testing.assert_allclose(d_bias, 3 * draw(TOKENS), rtol=1e-5)


def test_half_precision_scores_in_half_precision():
    layer = make(dtype="mixed_bfloat16")
    logits = layer(draw(2, DIM), reverse=True)
    assert "bfloat16" in str(logits.dtype)
