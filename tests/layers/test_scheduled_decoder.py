"""Tests of scheduled sampling against loops and exact probabilities."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import recording
from zoo.decoding import greedy_search
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import GNMTCell
from zoo.layers import LSTMCell
from zoo.layers import LuongAttention
from zoo.layers import ScheduledEmbeddingDecoder
from zoo.layers import ScheduledOutputDecoder
from zoo.training import SamplingSchedule

BATCH, TIME, FEATURES, UNITS, SOURCE, DEPTH, TOKENS = 3, 6, 2, 5, 7, 4, 9


def draw(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


FRAMES, MEMORY = draw(BATCH, TIME, FEATURES), draw(BATCH, SOURCE, DEPTH)
IDS = (
    np.random.default_rng(3).integers(1, TOKENS, (BATCH, TIME)).astype("int32")
)
# Padding on the left, a gap, and a row without a real step.
MASK = np.array([[0, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 0], [0] * 6], bool)


def cell(input_feeding=True):
    return AttentionCell(
        LSTMCell(UNITS),
        LuongAttention(),
        attention_units=8,
        attention_activation="tanh",
        input_feeding=input_feeding,
    )


def of_tokens(p=0.5, attention_cell=None, mask_zero=False, **arguments):
    decoder = ScheduledEmbeddingDecoder(
        attention_cell or cell(),
        keras.layers.Embedding(TOKENS, FEATURES, mask_zero=mask_zero),
        keras.layers.Dense(TOKENS),
        sampling_probability=p,
        **arguments,
    )
    decoder.build(IDS.shape, MEMORY.shape)
    return random_weights(decoder)


def of_frames(p=0.5, attention_cell=None, **arguments):
    decoder = ScheduledOutputDecoder(
        attention_cell or cell(),
        output_layer=keras.layers.Dense(FEATURES),
        sampling_probability=p,
        **arguments,
    )
    decoder.build(FRAMES.shape, MEMORY.shape)
    return random_weights(decoder)


def random_weights(layer):
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


KINDS = {"tokens": (of_tokens, IDS), "frames": (of_frames, FRAMES)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def close(given, expected, atol=1e-5):
    given, expected = map(keras.tree.flatten, (given, expected))
    for x, y in zip(given, expected, strict=True):
        x, y = (numpy_of(ops.convert_to_tensor(z)) for z in (x, y))
        np.testing.assert_allclose(x, y, atol=atol)


def loop(decoder, first, following, mask=None):
    """Outputs where each step reads `following(t, output before)`."""
    state = decoder.get_initial_state(BATCH, MEMORY)
    keys, outputs, x = decoder.project(MEMORY), [], first
    for t in range(TIME):
        x = x if t == 0 else following(t, outputs[-1])
        (output, _), state = decoder.step(x, state, MEMORY, keys)
        outputs.append(output)
    return ops.stack(outputs, axis=1)


@every_kind
@pytest.mark.parametrize("feeding", [True, False])
def test_outside_of_training_it_is_teacher_forcing_to_the_bit(kind, feeding):
    make, inputs = KINDS[kind]
    decoder = make(1.0, cell(feeding))
    plain = AttentionDecoder(decoder.attention_cell, decoder.output_layer)
    embedded = decoder.embed(inputs)
    expected = plain(embedded, MEMORY, mask=MASK)
    close(decoder(inputs, MEMORY, mask=MASK), expected, atol=0)
    close(decoder(inputs, MEMORY, mask=MASK, training=False), expected, atol=0)


@every_kind
def test_without_sampling_training_is_teacher_forcing_too(kind):
    make, inputs = KINDS[kind]
    for attention_cell in (
        cell(),
        cell(False),
        GNMTCell([LSTMCell(3), LSTMCell(UNITS)], LuongAttention()),
    ):
        decoder = make(0.0, attention_cell)
        given = decoder(inputs, MEMORY, mask=MASK, training=True)
        close(given, decoder(inputs, MEMORY, mask=MASK))


def test_output_that_is_always_read_is_a_loop_of_its_own():
    decoder = of_frames(1.0)
    outputs, *_ = decoder(FRAMES, MEMORY, training=True)
    close(outputs, loop(decoder, FRAMES[:, 0], lambda t, output: output))
    # only the first frame is read
    others = np.concatenate([FRAMES[:, :1], draw(BATCH, 5, FEATURES)], 1)
    close(decoder(others, MEMORY, training=True)[0], outputs, atol=0)


def test_output_goes_through_a_layer_or_function_to_the_inputs():
    dense = keras.layers.Dense(FEATURES, activation="tanh")
    for function in (dense, lambda x: ops.flip(x, axis=1) / 2):
        decoder = of_frames(1.0, next_inputs_function=function)
        outputs, *_ = decoder(FRAMES, MEMORY, training=True)
        close(
            outputs,
            loop(decoder, FRAMES[:, 0], lambda t, x, f=function: f(x)),
        )
    assert dense.kernel.shape == (FEATURES, FEATURES)


def test_gradients_flow_through_the_output_that_is_read():
    decoder = of_frames(1.0)

    def loss(function):
        return lambda frames: ops.sum(ops.square(function(frames)))

    weights = decoder.trainable_weights
    given = gradients(
        loss(lambda x: decoder(x, MEMORY, training=True)[0]), [FRAMES], weights
    )
    expected = gradients(
        loss(lambda x: loop(decoder, x[:, 0], lambda t, output: output)),
        [FRAMES],
        weights,
    )
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-3)
    assert given[0][:, 0].any() and not given[0][:, 1:].any()


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_tokens_are_read_with_their_probabilities(p):
    rows, true = 20_000, 4
    decoder = of_tokens(p, seed=1)
    ids = np.tile([[1, true]], (rows, 1))
    memory = np.tile(MEMORY[:1], (rows, 1, 1))
    logits, *_ = decoder(ids, memory, training=True)
    # What stands second tells which token was read.
    every = np.stack([np.ones(TOKENS, int), np.arange(TOKENS)], axis=1)
    known, *_ = decoder(every, memory[:TOKENS])
    distances = np.abs(
        numpy_of(logits)[:, 1, None] - numpy_of(known)[None, :, 1]
    ).max(-1)
    assert distances.min(1).max() < 1e-4
    shares = np.bincount(distances.argmin(1), minlength=TOKENS) / rows
    expected = p * numpy_of(ops.softmax(known[0, 0]))
    expected[true] += 1 - p
    np.testing.assert_allclose(shares, expected, atol=0.015)


def test_each_row_and_step_has_a_coin_of_its_own():
    rows, steps = 400, 6
    decoder = of_frames(0.5, seed=2)
    frames = np.tile(FRAMES[:1], (rows, 1, 1))
    memory = np.tile(MEMORY[:1], (rows, 1, 1))
    outputs = numpy_of(decoder(frames, memory, training=True)[0])
    # 2 ** t different pasts at step t, about equally often
    for t in range(steps):
        past = np.unique(np.round(outputs[:, t], 4), axis=0)
        assert len(past) >= min(2**t, 20)
    first = np.unique(np.round(outputs[:, 1], 4), axis=0, return_counts=True)
    assert len(first[1]) == 2 and first[1].min() > 150


@every_kind
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_padding_changes_nothing(kind, p):
    make, inputs = KINDS[kind]
    results = []
    for filling in (0, 3):
        decoder = make(p, seed=1)
        filled = np.where(
            MASK.reshape(MASK.shape + (1,) * (inputs.ndim - 2)),
            inputs,
            np.asarray(filling, inputs.dtype),
        )
        results.append(decoder(filled, MEMORY, mask=MASK, training=True))
    close(*results, atol=0)
    outputs, alignments, state = results[0]
    assert not numpy_of(alignments)[~MASK].any()
    assert not numpy_of(outputs)[~MASK].any()
    assert not numpy_of(state.cell[0])[2].any()
    # What comes first in a row is true, wherever it stands.
    expected = decoder(inputs, MEMORY, mask=MASK)[0]
    close(outputs[0, 2], expected[0, 2])
    close(outputs[1, 0], expected[1, 0])


def test_not_even_nan_in_the_padding_is_read():
    decoder = of_frames(1.0)
    frames = np.where(MASK[..., None], FRAMES, np.nan).astype("float32")
    found = gradients(
        lambda x: ops.sum(decoder(x, MEMORY, mask=MASK, training=True)[0]),
        [frames],
        decoder.trainable_weights,
    )
    assert all(np.isfinite(x).all() for x in found)


def test_mask_of_the_embedding_is_that_of_the_decoder():
    decoder = of_tokens(0.5, mask_zero=True, seed=1)
    ids = np.where(MASK, IDS, 0)
    given = decoder(ids, MEMORY)
    close(given, decoder(ids, MEMORY, mask=MASK), atol=0)
    assert decoder.compute_mask(ops.convert_to_tensor(ids))[0] is not None


@every_kind
def test_a_seed_makes_it_reproducible(kind):
    make, inputs = KINDS[kind]
    one, other = make(seed=1), make(seed=1)
    first = one(inputs, MEMORY, training=True)
    close(other(inputs, MEMORY, training=True), first, atol=0)
    second = one(inputs, MEMORY, training=True)
    close(other(inputs, MEMORY, training=True), second, atol=0)
    assert np.any(numpy_of(first[0]) != numpy_of(second[0]))
    different = make(seed=2)(inputs, MEMORY, training=True)
    assert np.any(numpy_of(first[0]) != numpy_of(different[0]))


@every_kind
@every_mode
def test_compiled_training_reads_its_own(kind, mode):
    make, inputs = KINDS[kind]
    decoder = make(1.0, seed=1)

    def run(x, memory):
        return decoder(x, memory, training=True)[0]

    outputs = numpy_of(compiled(run, mode)(inputs, MEMORY))
    teacher = numpy_of(decoder(inputs, MEMORY)[0])
    np.testing.assert_allclose(outputs[:, 0], teacher[:, 0], atol=1e-5)
    assert np.abs(outputs[:, 2:] - teacher[:, 2:]).max() > 1e-2
    if kind == "frames":
        close(outputs, loop(decoder, FRAMES[:, 0], lambda t, output: output))


def test_sizes_need_not_be_known():
    decoder = of_frames(1.0)
    shapes = (None, None, FEATURES), (None, None, DEPTH)

    def run(x, memory):
        return decoder(x, memory, training=True)[0]

    expected = loop(decoder, FRAMES[:, 0], lambda t, output: output)
    close(of_any_size(run, (FRAMES, MEMORY), shapes), expected)


def test_probability_follows_its_schedule_and_is_saved(tmp_path):
    schedule = SamplingSchedule("linear", 0.999)
    decoder = of_frames(schedule)
    teacher = decoder(FRAMES, MEMORY)[0]
    assert int(decoder.training_calls) == 0
    close(decoder(FRAMES, MEMORY, training=True)[0], teacher)
    assert int(decoder.training_calls) == 1
    decoder(FRAMES, MEMORY, training=True)
    # From the third call on the probability is one.
    own = loop(decoder, FRAMES[:, 0], lambda t, output: output)
    close(decoder(FRAMES, MEMORY, training=True)[0], own)
    frames, memory = keras.Input((None, FEATURES)), keras.Input((None, DEPTH))
    model = keras.Model([frames, memory], decoder(frames, memory)[0])
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert int(copy.training_calls) == 3
    close(copy(FRAMES, MEMORY, training=True)[0], own)


@pytest.mark.parametrize("kind", ["tokens", "frames"])
def test_fit_counts_its_steps(kind):
    make, inputs = KINDS[kind]
    decoder = make(SamplingSchedule("exponential", 0.5), seed=1)
    shape = (None,) if kind == "tokens" else (None, FEATURES)
    x = keras.Input(shape, dtype=inputs.dtype.name)
    memory = keras.Input((None, DEPTH))
    model = keras.Model([x, memory], decoder(x, memory)[0])
    width = TOKENS if kind == "tokens" else FEATURES
    model.compile("adam", "mse")
    before = decoder.get_weights()
    many = np.tile(inputs, (2, *[1] * (inputs.ndim - 1)))
    with recording():
        model.fit(
            [many, np.tile(MEMORY, (2, 1, 1))],
            draw(2 * BATCH, TIME, width),
            batch_size=2,
            epochs=2,
            verbose=0,
        )
    assert int(decoder.training_calls) == 6
    moved = [
        np.any(x != y)
        for x, y in zip(before, decoder.get_weights(), strict=True)
    ]
    assert all(moved)


def test_search_calls_step_with_tokens():
    decoder = of_tokens()
    keys = decoder.project(MEMORY)

    def step(tokens, state):
        (logits, _), state = decoder.step(tokens, state, MEMORY, keys)
        return logits, state

    start = decoder.get_initial_state(BATCH, MEMORY)
    found = greedy_search(step, [1] * BATCH, start, TIME, end_id=0)
    ids, length = numpy_of(found.ids)[:, 0], numpy_of(found.lengths)[:, 0]
    inputs = np.concatenate([np.ones((BATCH, 1), int), ids[:, :-1]], 1)
    best = numpy_of(ops.argmax(decoder(inputs, MEMORY)[0], -1))
    real = np.arange(TIME) < length[:, None]
    np.testing.assert_array_equal(best[real], ids[real])


def test_configs_survive_json():
    for decoder in (
        of_tokens(SamplingSchedule("inverse_sigmoid", 50.0), seed=3),
        of_tokens(0.25),
        of_frames(1.0, next_inputs_function=keras.layers.Dense(FEATURES)),
    ):
        config = json.loads(json.dumps(decoder.get_config()))
        copy = type(decoder).from_config(config)
        given = copy.sampling_probability
        if isinstance(given, SamplingSchedule):
            assert given.get_config() == {
                "decay": "inverse_sigmoid",
                "rate": 50.0,
                "highest": 1.0,
            }
        else:
            assert given == decoder.sampling_probability
        assert copy.seed == decoder.seed
        assert copy.output_layer.units == decoder.output_layer.units


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (of_frames, {"p": 1.5}, "from 0 to 1.*got 1.5"),
        (of_frames, {"p": "often"}, "got 'often'"),
        (of_tokens, {"p": True}, "got True"),
        (of_frames, {"next_inputs_function": 3}, "got 3"),
        (
            of_frames,
            {"next_inputs_function": lambda x: x[:, :1]},
            r"\(batch_size, 2\), got shape \(None, 1\)",
        ),
    ],
)
def test_wrong_argument_is_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_what_is_no_layer_is_refused():
    with pytest.raises(ValueError, match="`embedding`.*got 3"):
        ScheduledEmbeddingDecoder(cell(), 3, keras.layers.Dense(3))
    with pytest.raises(ValueError, match="`output_layer`.*got None"):
        ScheduledEmbeddingDecoder(cell(), keras.layers.Embedding(3, 3), None)
