"""Samples against the exact probabilities of table models."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import BACKEND
from tests.backend import compiled
from tests.backend import every_mode
from tests.backend import numpy_of
from zoo.decoding import greedy_search
from zoo.decoding import sample
from zoo.ops import categorical

END, START, ROWS = 0, 3, 20_000
# Probabilities of the next token, given the last; the third is forbidden
# after itself.
P = np.array(
    [
        [1.0, 0.0, 0.0, 0.0],
        [0.3, 0.4, 0.3, 0.0],
        [0.6, 0.4, 0.0, 0.0],
        [0.1, 0.2, 0.65, 0.05],
    ]
)
with np.errstate(divide="ignore"):
    TABLE = np.log(P).astype("float32")


def step(tokens, state):
    # 3 added to all logits of a row is the same distribution.
    return ops.take(ops.convert_to_tensor(TABLE) + 3, tokens, axis=0), state


def draw(rows=ROWS, max_length=3, **options):
    options = {"seed": 1, **options}
    return sample(step, [START] * rows, (), max_length, END, **options)


def sequences(length, table, min_length=0):
    """Every output up to a length, and its exact probability."""
    found = {}

    def extend(ids, last, probability):
        if ids and (ids[-1] == END or len(ids) == length):
            found[tuple(ids) + (END,) * (length - len(ids))] = probability
            return
        row = table[last].copy()
        if len(ids) + 1 < min_length:
            row[END] = 0
            row = row / row.sum()
        for token in np.flatnonzero(row):
            extend([*ids, int(token)], token, probability * row[token])

    extend([], START, 1.0)
    return found


def assert_distributed(ids, expected):
    """Chi-square over all sequences: fails once in ten thousand seeds."""
    keys, counts = np.unique(ids, axis=0, return_counts=True)
    counts = {
        tuple(int(x) for x in key): n
        for key, n in zip(keys, counts, strict=True)
    }
    assert set(counts) <= set(expected)
    np.testing.assert_allclose(sum(expected.values()), 1, rtol=1e-6)
    total = len(ids)
    chi = sum(
        (counts.get(key, 0) - total * p) ** 2 / (total * p)
        for key, p in expected.items()
    )
    degrees = len(expected) - 1
    # Wilson and Hilferty: the cube root is nearly normal.
    spread = 2 / (9 * degrees)
    limit = degrees * (1 - spread + 3.72 * np.sqrt(spread)) ** 3
    assert chi < limit


def tempered(temperature=1.0, top_k=4):
    table = P ** (1 / temperature)
    smallest = np.sort(P, axis=1)[:, [-top_k]]
    table[smallest > P] = 0
    return table / table.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("options", "table"),
    [
        ({}, tempered()),
        ({"temperature": 2.0}, tempered(2)),
        ({"temperature": 0.5}, tempered(0.5)),
        ({"top_k": 2}, tempered(top_k=2)),
        ({"top_k": 2, "temperature": 3.0}, tempered(3, 2)),
        ({"top_k": 99}, tempered()),
    ],
)
def test_sequences_have_the_exact_probabilities(options, table):
    found = draw(**options)
    assert_distributed(numpy_of(found.ids)[:, 0], sequences(3, table))


def test_least_length_leaves_out_the_end():
    found = draw(min_length=3)
    ids, expected = numpy_of(found.ids)[:, 0], sequences(3, P, min_length=3)
    assert_distributed(ids, expected)
    assert np.all(numpy_of(found.lengths) == 3)


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.5, "top_k": 2, "min_length": 2}]
)
def test_log_probs_are_those_of_the_model(options):
    found = draw(200, 5, **options)
    for ids, length, log_prob, finished in zip(
        *(
            numpy_of(x)[:, 0]
            for x in (found.ids, found.lengths, found.log_probs, found.finished)
        ),
        strict=True,
    ):
        tokens = [START, *ids[:length]]
        steps = zip(tokens[:-1], tokens[1:], strict=True)
        expected = sum(TABLE[a, b] for a, b in steps)
        np.testing.assert_allclose(log_prob, expected, rtol=1e-5)
        assert finished == (tokens[-1] == END)
        assert not ids[length:].any()
    np.testing.assert_array_equal(found.scores, found.log_probs)


def test_next_to_no_temperature_is_greedy_search():
    table = np.random.default_rng(1).normal(size=(9, 9)).astype("float32")

    def step(tokens, state):
        return ops.take(table, tokens, axis=0), state

    expected = greedy_search(step, range(1, 9), (), 7, END)
    for options in ({"temperature": 1e-30}, {"top_k": 1}):
        given = sample(step, range(1, 9), (), 7, END, seed=1, **options)
        np.testing.assert_array_equal(given.ids, expected.ids)
        np.testing.assert_allclose(
            numpy_of(given.log_probs), numpy_of(expected.log_probs), rtol=1e-6
        )


@every_mode
def test_a_seed_gives_one_sample_whose_distribution_is_exact(mode):
    def run(tokens):
        return sample(step, tokens, (), 3, END, seed=1).ids

    run, tokens = compiled(run, mode), np.full(ROWS, START)
    ids = numpy_of(run(tokens))
    np.testing.assert_array_equal(numpy_of(run(tokens)), ids)
    assert_distributed(ids[:, 0], sequences(3, P))
    # XLA has random numbers of its own on TensorFlow.
    if (BACKEND, mode) != ("tensorflow", "xla"):
        np.testing.assert_array_equal(numpy_of(draw().ids), ids)


def test_generator_gives_another_sample_at_every_call():
    seed = keras.random.SeedGenerator(1)
    first, second = (numpy_of(draw(50, 6, seed=seed).ids) for _ in range(2))
    assert np.any(first != second)
    again = numpy_of(draw(50, 6, seed=keras.random.SeedGenerator(1)).ids)
    np.testing.assert_array_equal(first, again)


def test_state_and_alignments_follow_their_sentence():
    def counting(tokens, state):
        logits, _ = step(tokens, ())
        alignments = ops.one_hot(state["time"], 8)
        return logits, {"time": state["time"] + 1}, alignments

    state = {"time": np.array([0, 1, 2], "int32")}
    found = sample(counting, [START] * 3, state, 4, END, seed=4)
    expected = np.eye(8)[np.arange(3)[:, None] + np.arange(4)]
    real = np.arange(4) < numpy_of(found.lengths)
    np.testing.assert_array_equal(
        numpy_of(found.alignments)[:, 0], expected * real[..., None]
    )


def test_sentence_without_a_possible_token_is_dead():
    table = np.full((4, 4), -np.inf, "float32")
    found = sample(
        lambda tokens, state: (ops.take(table, tokens, axis=0), state),
        [START], (), 4, END, seed=1, pad_id=2,
    )  # fmt: skip
    assert not numpy_of(found.lengths).any()
    assert numpy_of(found.ids).tolist() == [[[2] * 4]]
    assert not numpy_of(found.finished).any()


def test_extreme_random_numbers_draw_possible_tokens():
    logits = np.array([[-np.inf, 1.0, -np.inf, 0.0, -np.inf]], "float32")
    highest = np.nextafter(np.float32(1), np.float32(0))
    for u, token in ((0.0, 3), (highest, 1)):
        drawn = categorical(logits, np.array([u], "float32"))
        assert numpy_of(drawn).tolist() == [token]
    many = np.tile(np.random.default_rng(2).normal(size=1000), (500, 1))
    many[:, 500:] = -np.inf
    drawn = categorical(many.astype("float32"), np.zeros(500, "float32"))
    assert numpy_of(drawn).max() == 499


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"temperature": 0}, ValueError, "positive number, got 0.*greedy"),
        ({"temperature": float("nan")}, ValueError, "got nan"),
        ({"temperature": "hot"}, TypeError, "got 'hot'"),
        ({"temperature": True}, TypeError, "got True"),
        ({"top_k": 0}, ValueError, "`top_k`.*at least 1, got 0"),
        ({"top_k": 2.5}, TypeError, "`top_k`.*got 2.5"),
        ({"max_length": 0}, ValueError, "`max_length`.*got 0"),
        ({"min_length": 4}, ValueError, "`min_length`.*above"),
        ({"pad_id": -1}, ValueError, "`pad_id`"),
    ],
)
def test_wrong_option_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        draw(2, **options)
