"""Tests of mechanisms that carry a state, in every use of a mechanism."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import dtype_of
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers.attention_cell import AttentionCell
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.bahdanau_monotonic_attention import BahdanauMonotonicAttention
from zoo.layers.coverage_attention import CoverageAttention
from zoo.layers.local_attention import LocalAttention
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.luong_monotonic_attention import LuongMonotonicAttention

# The memory is as deep as the cell, so that scores are inner products.
BATCH, TIME, FEATURES, UNITS, SOURCE = 3, 6, 2, 5, 7


class Shunning(AttentionMechanism):
    """Dot attention that shuns what it has attended to before."""

    def get_initial_state(self, batch_size, memory=None):
        shape = (batch_size, ops.shape(memory)[1])
        return [ops.zeros(shape, dtype=self.compute_dtype)]

    def compute_alignments(self, query, keys, mask, state, training=False):
        scores = ops.matmul(query, ops.transpose(keys, (0, 2, 1))) - state[0]
        alignments = self.align(scores, mask)
        return alignments, [state[0] + alignments]


MECHANISMS = {
    "of a user": Shunning,
    "coverage": lambda: CoverageAttention(4),
    "local-m": lambda: LocalAttention("monotonic", 2),
    "monotonic": lambda: BahdanauMonotonicAttention(4, sigmoid_noise=0.1),
    "monotonic hard": lambda: LuongMonotonicAttention(mode="hard"),
    "monotonic loop": lambda: LuongMonotonicAttention(mode="recursive"),
}
every_mechanism = pytest.mark.parametrize(
    "make", MECHANISMS.values(), ids=MECHANISMS.keys()
)


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def decoder_of(mechanism, **kwargs):
    """A decoder with large random weights."""
    decoder = AttentionDecoder(
        AttentionCell(LSTMCell(UNITS), mechanism, **kwargs)
    )
    decoder.build((None, None, FEATURES), (None, None, UNITS))
    decoder.set_weights([2 * draw(*x.shape) for x in decoder.get_weights()])
    return decoder


@pytest.fixture
def memory():
    return draw(BATCH, SOURCE, UNITS)


@pytest.fixture
def mask():
    return np.array([[0, 1, 1, 0, 1, 1, 0], [1] * 7, [0] * 7], bool)


def assert_close(results, expected, tolerance=1e-5):
    keras.tree.map_structure(
        lambda x, y: np.testing.assert_allclose(
            numpy_of(x), numpy_of(y), atol=tolerance
        ),
        results,
        expected,
    )


def test_plain_layer_walks_over_the_query(memory, mask):
    query = draw(BATCH, TIME, UNITS)
    context, alignments = map(numpy_of, Shunning()(query, memory, mask=mask))
    coverage = np.zeros((BATCH, SOURCE))
    for t in range(TIME):
        scores = np.einsum("bd,bsd->bs", query[:, t], memory) - coverage
        expected = np.exp(scores) * mask
        expected /= np.maximum(expected.sum(-1, keepdims=True), 1e-30)
        np.testing.assert_allclose(alignments[:, t], expected, atol=1e-5)
        coverage += expected
    np.testing.assert_allclose(
        context, np.einsum("bts,bsd->btd", alignments, memory), atol=1e-5
    )


@every_mechanism
@pytest.mark.parametrize(
    "arguments", [{}, {"input_feeding": False}, {"query": "before"}]
)
def test_decoder_carries_the_state(make, arguments, memory, mask):
    decoder = decoder_of(make(), **arguments)
    inputs = draw(BATCH, TIME, FEATURES)
    outputs, alignments, final_state = decoder(inputs, memory, mask)
    looked = numpy_of(alignments)
    assert np.any(looked[:2]) and not np.any(looked[2])
    state = decoder.get_initial_state(BATCH, memory)
    keys = decoder.project(memory)
    for t in range(TIME):
        results, state = decoder.step(inputs[:, t], state, memory, keys, mask)
        assert_close(results, (outputs[:, t], alignments[:, t]))
    assert_close(state, final_state)


@every_mechanism
def test_functional_model_survives_a_keras_file(make, memory, mask, tmp_path):
    shapes = ((None, FEATURES), (None, UNITS), (None,))
    tensors = [keras.Input(shape) for shape in shapes[:2]]
    tensors.append(keras.Input(shapes[2], dtype="bool"))
    outputs, alignments, _ = decoder_of(make())(*tensors)
    assert tuple(alignments.shape) == (None, None, None)
    model = keras.Model(tensors, [outputs, alignments])
    arrays = [draw(BATCH, TIME, FEATURES), memory, mask]
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"Shunning": Shunning}
    )
    assert_close(copy(arrays), model(arrays), 1e-6)


@every_mechanism
def test_masked_steps_do_not_count(make, memory, mask):
    decoder = decoder_of(make())
    inputs = draw(BATCH, TIME, FEATURES)
    steps = np.array([[True, False, True, True, False, True]] * BATCH)
    _, alignments, state = decoder(inputs, memory, mask, mask=steps)
    expected = decoder(inputs[:, steps[0]], memory, mask)
    assert_close(numpy_of(alignments)[:, steps[0]], expected[1])
    assert_close(state, expected[2])


@every_mechanism
def test_every_beam_has_a_state_of_its_own(make, memory, mask):
    beams = 2
    decoder = decoder_of(make())
    tiled = np.repeat(memory, beams, axis=0)
    tiled_mask = np.repeat(mask, beams, axis=0)
    shared_state = decoder.get_initial_state(BATCH * beams, memory)
    tiled_state = shared_state
    for t in range(3):
        inputs = draw(BATCH * beams, FEATURES) + t
        shared, shared_state = decoder.step(
            inputs, shared_state, memory, decoder.project(memory), mask
        )
        expected, tiled_state = decoder.step(
            inputs, tiled_state, tiled, decoder.project(tiled), tiled_mask
        )
        assert_close(shared, expected)
        assert_close(shared_state, tiled_state)


@every_mechanism
def test_xla_with_dynamic_shapes_trains_alike(make, memory, mask):
    decoder = decoder_of(make())

    def train(inputs, memory, mask):
        def loss(memory):
            outputs, alignments, _ = decoder(inputs, memory, mask)
            total = ops.sum(outputs**2) + ops.sum(alignments**2)
            return total, (outputs, alignments)

        return with_gradients(loss, [memory], decoder.trainable_weights)

    arrays = [draw(BATCH, TIME, FEATURES), memory, mask]
    expected = train(*tensors(arrays))
    shapes = [(None, None, FEATURES), (None, None, UNITS), (None, None)]
    given = of_any_size(train, arrays, shapes, mode="xla")
    assert_close(given, expected, 1e-3)


@every_mechanism
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains(make, policy, memory, mask):
    keras.config.set_dtype_policy(policy)
    decoder = decoder_of(make())
    inputs = draw(BATCH, TIME, FEATURES)

    def loss():
        outputs, alignments, _ = decoder(inputs, memory, mask, training=True)
        total = ops.sum(ops.cast(outputs, "float32") ** 2)
        return total, (total, alignments)

    (total, alignments), found = with_gradients(
        loss, [], decoder.trainable_weights
    )
    assert dtype_of(alignments) == policy.removeprefix("mixed_")
    assert np.isfinite(total) and not np.any(numpy_of(alignments)[2])
    assert all(np.isfinite(numpy_of(x)).all() for x in found)
