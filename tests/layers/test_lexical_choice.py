"""Tests of LexicalChoice against NumPy."""

import numpy as np
import pytest

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from tests.backend import of_any_size
from zoo.layers import LexicalChoice

MEMORIES, TIME, SOURCE, DEPTH = 2, 3, 4, 5


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def alignments_of(*shape):
    return np.abs(draw(*shape))


def make(**arguments):
    layer = LexicalChoice(**arguments)
    layer.build((MEMORIES, TIME, SOURCE), (MEMORIES, SOURCE, DEPTH))
    layer.set_weights([draw(*x.shape) for x in layer.get_weights()])
    return layer


@pytest.mark.parametrize("use_bias", [True, False])
@every_mode
def test_equation(use_bias, mode):
    layer = make(use_bias=use_bias)
    alignments = alignments_of(MEMORIES, TIME, SOURCE)
    embedded = draw(MEMORIES, SOURCE, DEPTH)
    kernel, bias = (*layer.get_weights(), 0.0)[:2]
    expected = np.zeros((MEMORIES, TIME, DEPTH))
    for i in range(MEMORIES):
        for t in range(TIME):
            words = sum(
                alignments[i, t, s] * embedded[i, s] for s in range(SOURCE)
            )
            words = np.tanh(words)
            expected[i, t] = np.tanh(words @ kernel + bias) + words
    found = compiled(layer, mode)(alignments, embedded)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_step_is_a_step_of_many():
    layer = make()
    alignments = alignments_of(MEMORIES, TIME, SOURCE)
    embedded = draw(MEMORIES, SOURCE, DEPTH)
    expected = layer(alignments, embedded)
    for t in range(TIME):
        found = layer(alignments[:, t], embedded)
        np.testing.assert_allclose(found, expected[:, t], atol=1e-6)


@pytest.mark.parametrize("shape", [(6, SOURCE), (6, TIME, SOURCE)])
def test_beams_share_their_source(shape):
    layer = make()
    alignments = alignments_of(*shape)  # three beams of each source
    embedded = draw(MEMORIES, SOURCE, DEPTH)
    np.testing.assert_allclose(
        layer(alignments, embedded),
        layer(alignments, np.repeat(embedded, 3, axis=0)),
        atol=1e-6,
    )


@pytest.mark.parametrize("shape", [(0, SOURCE), (0, TIME, SOURCE)])
def test_an_empty_batch_stays_empty(shape):
    arrays = np.zeros(shape, "float32"), np.zeros((0, SOURCE, DEPTH), "float32")
    unknown = [(*(None,) * (len(x.shape) - 1), x.shape[-1]) for x in arrays]
    found = of_any_size(make(), arrays, unknown)
    assert tuple(found.shape) == (*shape[:-1], DEPTH)


def test_rows_that_no_memory_fits_are_refused():
    with pytest.raises(ValueError, match="5 rows for 2 memories"):
        make()(alignments_of(5, SOURCE), draw(MEMORIES, SOURCE, DEPTH))


def test_a_source_that_is_not_looked_at_says_nothing():
    layer = make(use_bias=False)
    found = layer(
        np.zeros((MEMORIES, TIME, SOURCE), "float32"),
        draw(MEMORIES, SOURCE, DEPTH),
    )
    assert not np.any(numpy_of(found))


def test_alignments_of_wrong_rank_are_refused():
    with pytest.raises(ValueError, match=r"\(rows, source_length\).*\(4,\)"):
        LexicalChoice()(draw(SOURCE), draw(MEMORIES, SOURCE, DEPTH))
