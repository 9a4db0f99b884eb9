"""Tests of a mechanism that carries a state, in every use of a mechanism."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.lstm_cell import LSTMCell

# The memory is as deep as the cell, so that scores are inner products.
BATCH, TIME, FEATURES, UNITS, SOURCE = 3, 6, 2, 5, 7


class CoverageAttention(AttentionMechanism):
    """Dot attention that shuns what it has attended to before."""

    def get_initial_state(self, batch_size, memory=None):
        shape = (batch_size, ops.shape(memory)[1])
        return [ops.zeros(shape, dtype=self.compute_dtype)]

    def compute_alignments(self, query, keys, mask, state, training=False):
        scores = ops.matmul(query, ops.transpose(keys, (0, 2, 1))) - state[0]
        alignments = self.align(scores, mask)
        return alignments, [state[0] + alignments]


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


@pytest.fixture
def memory():
    return draw(BATCH, SOURCE, UNITS)


@pytest.fixture
def mask():
    return np.array(
        [[0, 1, 1, 0, 1, 1, 0], [1] * 7, [1, 1, 1, 0, 0, 0, 0]], bool
    )


def assert_close(results, expected):
    keras.tree.map_structure(
        lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5),
        results,
        expected,
    )


def test_plain_layer_walks_over_the_query(memory, mask):
    query = draw(BATCH, TIME, UNITS)
    context, alignments = CoverageAttention()(query, memory, mask=mask)
    coverage = np.zeros((BATCH, SOURCE))
    for t in range(TIME):
        scores = np.einsum("bd,bsd->bs", query[:, t], memory) - coverage
        expected = np.exp(scores) * mask
        expected /= expected.sum(-1, keepdims=True)
        np.testing.assert_allclose(alignments[:, t], expected, atol=1e-5)
        coverage += expected
    np.testing.assert_allclose(
        context, np.einsum("bts,bsd->btd", alignments, memory), atol=1e-5
    )


@pytest.mark.parametrize("input_feeding", [True, False])
def test_decoder_carries_the_state(input_feeding, memory, mask):
    decoder = AttentionDecoder(
        AttentionCell(
            LSTMCell(UNITS), CoverageAttention(), input_feeding=input_feeding
        )
    )
    inputs = draw(BATCH, TIME, FEATURES)
    outputs, alignments, final_state = decoder(inputs, memory, mask)
    np.testing.assert_allclose(
        final_state.attention_state[0], alignments.numpy().sum(1), atol=1e-5
    )
    state = decoder.get_initial_state(BATCH, memory)
    keys = decoder.project(memory)
    for t in range(TIME):
        results, state = decoder.step(inputs[:, t], state, memory, keys, mask)
        assert_close(results, (outputs[:, t], alignments[:, t]))
    assert_close(state, final_state)


def test_every_beam_has_a_state_of_its_own(memory, mask):
    beams = 2
    decoder = AttentionDecoder(
        AttentionCell(LSTMCell(UNITS), CoverageAttention())
    )
    decoder.build((None, None, FEATURES), memory.shape)
    tiled = np.repeat(memory, beams, axis=0)
    tiled_mask = np.repeat(mask, beams, axis=0)
    shared_state = decoder.get_initial_state(BATCH * beams, memory)
    tiled_state = shared_state
    for t in range(2):
        inputs = draw(BATCH * beams, FEATURES) + t
        shared, shared_state = decoder.step(
            inputs, shared_state, memory, decoder.project(memory), mask
        )
        expected, tiled_state = decoder.step(
            inputs, tiled_state, tiled, decoder.project(tiled), tiled_mask
        )
        assert_close(shared, expected)
        assert_close(shared_state, tiled_state)
    coverage = shared_state.attention_state[0].numpy()
    assert np.abs(coverage[0] - coverage[1]).max() > 1e-4
