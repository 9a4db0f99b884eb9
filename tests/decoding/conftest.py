"""Oracles, tables and exhaustive search for the tests of decoding."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
from keras import ops

ORACLES = pathlib.Path(__file__).parents[1] / "oracles"


@pytest.fixture
def oracle():
    """Function from the name of an oracle to its arrays."""

    def load(name):
        with np.load(ORACLES / f"{name}.npz") as arrays:
            return dict(arrays)

    return load


class TableStep:
    """A step function whose logits are rows of a table; counts its calls.

    The rows of the table are numbered by what the previous tokens were:
    `(V, V)`, `(V + 1, V)` with the start as a row of its own, or
    `(V + 1, V + 1, V)` with the token before that too (kept as the state).
    With a leading axis of sentences there is one table for each, and the
    sentence number is part of the state.
    """

    def __init__(self, table, per_sentence=False, dtype="float32"):
        self.table = ops.convert_to_tensor(np.asarray(table).astype(dtype))
        self.order = self.table.ndim - 1 - per_sentence
        self.per_sentence = per_sentence
        self.calls = 0

    def state(self, batch_size=1, start=None):
        state = {}
        if self.order == 2:
            state["before"] = np.full(batch_size, start, "int32")
        if self.per_sentence:
            state["sentence"] = np.arange(batch_size, dtype="int32")
        return state

    def __call__(self, tokens, state):
        self.calls += 1
        row = tokens
        new = dict(state)
        if self.order == 2:
            row = state["before"] * self.table.shape[-2] + tokens
            new["before"] = tokens
        if self.per_sentence:
            row = state["sentence"] * self.table.shape[1] + row
        rows = ops.reshape(self.table, (-1, self.table.shape[-1]))
        return ops.take(rows, row, axis=0), new


@pytest.fixture
def table_step():
    return TableStep


def table_log_prob(table, start, ids):
    """The log-probability of a list of ids under a table of order 1 or 2."""
    total, before, previous = 0.0, start, start
    for token in ids:
        row = table[previous] if table.ndim == 2 else table[before, previous]
        total += row[token]
        before, previous = previous, token
    return total


@pytest.fixture
def log_prob():
    return table_log_prob


@pytest.fixture
def exhaustive():
    """Function that scores every possible hypothesis, best first."""

    def search(
        table, start, end, max_length, alpha, finished_only=False, min_length=0
    ):
        others = [t for t in range(table.shape[-1]) if t != end]
        found = []
        for length in range(1, max_length + 1):
            for body in itertools.product(others, repeat=length - 1):
                last = [end] if length >= min_length else []
                if length == max_length and not finished_only:
                    last += others
                for token in last:
                    ids = (*body, token)
                    log_p = table_log_prob(table, start, ids)
                    score = log_p / ((5 + length) / 6) ** alpha
                    if np.isfinite(score):
                        found.append((score, ids, log_p))
        return sorted(found, key=lambda hypothesis: -hypothesis[0])

    return search


@pytest.fixture
def random_tables():
    def draw(rng, sentences, vocabulary, ends=1.0):
        """Logits, the start in the last row; `ends` favours the end, 0."""
        logits = 2 * rng.normal(size=(sentences, vocabulary + 1, vocabulary))
        logits[..., 0] += ends
        return logits

    return draw


@pytest.fixture
def assert_same_result():
    def check(one, other, exact=True):
        np.testing.assert_array_equal(one.ids, other.ids)
        np.testing.assert_array_equal(one.lengths, other.lengths)
        np.testing.assert_array_equal(one.finished, other.finished)
        tolerance = {"rtol": 0, "atol": 0} if exact else {"atol": 1e-5}
        np.testing.assert_allclose(one.scores, other.scores, **tolerance)
        np.testing.assert_allclose(one.log_probs, other.log_probs, **tolerance)
        assert (one.alignments is None) == (other.alignments is None)
        if one.alignments is not None:
            np.testing.assert_allclose(
                one.alignments, other.alignments, **tolerance
            )

    return check


@pytest.fixture
def loops_step_by_step():
    """A loop calls its step once a step, so that the calls can be counted.

    JAX traces the step of a loop otherwise, once or twice in all.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.disable_jit():
        yield
