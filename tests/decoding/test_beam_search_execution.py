"""Dtypes, state nests, graphs, XLA and batch sizes of a beam search."""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from tests.backend import dtype_of
from tests.backend import of_any_size
from zoo.decoding import beam_search

END = 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_summed_in_float32(
    dtype, random_tables, assert_same_result
):
    logits = random_tables(np.random.default_rng(7), 1, 6)[0]
    half = ops.cast(ops.convert_to_tensor(logits), dtype)

    def search(table):
        def step(tokens, state):
            return ops.take(table, tokens, axis=0), state

        return beam_search(step, [6], (), 3, 8, END, 0.6)

    result = search(half)
    assert dtype_of(result.scores) == dtype_of(result.log_probs) == "float32"
    assert_same_result(result, search(ops.cast(half, "float32")))


class Memo(NamedTuple):
    last: Any
    rest: Any


@pytest.mark.parametrize("width", [1, 3])
def test_state_may_be_any_nest_and_follows_its_beam(
    width, table_step, random_tables
):
    tables = random_tables(np.random.default_rng(8), 2, 6, ends=-3)
    plain = table_step(tables, per_sentence=True)

    def step(tokens, state):
        assert isinstance(state, Memo) and isinstance(state.rest, dict)
        past, (count,) = state.rest["past"], state.rest["count"]
        logits, _ = plain(tokens, {"sentence": state.last[:, 0]})
        # Every token so far, to be compared with the ids of the result.
        written = ops.where(
            ops.arange(5) == count[:, None], tokens[:, None], past
        )
        rest = {"past": written, "count": (count + 1,)}
        check = ops.cast(tokens[:, None] == 0, "float32")
        return (
            logits,
            [state.last, rest],
            ops.concatenate([ops.cast(written, "float32"), check], axis=1),
        )

    state = Memo(
        last=np.arange(2, dtype="int32")[:, None],
        rest={
            "past": np.full((2, 5), -1, "int32"),
            "count": [np.zeros(2, "int32")],
        },
    )
    result = beam_search(step, [6, 6], state, width, 5, END)
    expected = beam_search(plain, [6, 6], plain.state(2), width, 5, END)
    np.testing.assert_array_equal(result.ids, expected.ids)
    # The row that chose the token at t had seen the tokens before it.
    for ids, length, seen in zip(
        np.asarray(result.ids).reshape(-1, 5),
        np.asarray(result.lengths).reshape(-1),
        np.asarray(result.alignments).reshape(-1, 5, 6),
        strict=True,
    ):
        for time in range(length):
            np.testing.assert_array_equal(seen[time, 0], 6)
            np.testing.assert_array_equal(seen[time, 1 : time + 1], ids[:time])
        assert not np.any(seen[length:])


def attending_step(tables, width):
    """Logits of a table, and alignments that depend on the tokens."""
    tables = ops.convert_to_tensor(tables.astype("float32"))

    def step(tokens, state):
        sentence, memory = state["sentence"], state["memory"]
        index = sentence * tables.shape[1] + tokens
        rows = ops.reshape(tables, (-1, tables.shape[-1]))
        scores = memory + ops.cos(ops.cast(tokens, "float32"))[:, None]
        alignments = ops.softmax(scores * ops.arange(1.0, width + 1))
        return ops.take(rows, index, axis=0), state, alignments

    return step


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("mode", MODES[1:] or MODES)
@pytest.mark.parametrize("width", [1, 4])
def test_eager_graph_and_xla_agree(
    width, mode, known, random_tables, assert_same_result
):
    rng = np.random.default_rng(9)
    step = attending_step(random_tables(rng, 3, 6, ends=0), 5)
    mask = np.arange(5) < np.array([[5], [2], [3]])

    def search(tokens, sentence, memory):
        return beam_search(
            step,
            tokens,
            {"sentence": sentence, "memory": memory},
            width,
            7,
            END,
            0.8,
            0.3,
            memory_mask=mask,
        )

    arguments = (
        np.full(3, 6, "int32"),
        np.arange(3, dtype="int32"),
        rng.normal(size=(3, 5)).astype("float32"),
    )
    if known:
        given = compiled(search, mode)(*arguments)
    else:
        shapes = [(None,), (None,), (None, None)]
        given = of_any_size(search, arguments, shapes, mode)
    assert given.ids.shape[1:] == (width, 7)
    assert_same_result(search(*arguments), given, exact=False)


@pytest.mark.parametrize("width", [1, 3])
def test_empty_batch_gives_an_empty_result(width, random_tables):
    step = attending_step(random_tables(np.random.default_rng(11), 1, 6), 5)

    def search(tokens, sentence, memory):
        state = {"sentence": sentence, "memory": memory}
        return beam_search(step, tokens, state, width, 4, END, 1.0, 0.2)

    arguments = (
        np.zeros(0, "int32"),
        np.zeros(0, "int32"),
        np.zeros((0, 5), "float32"),
    )
    shapes = [(None,), (None,), (None, 5)]
    for result in (
        search(*arguments),
        of_any_size(search, arguments, shapes),
    ):
        assert result.ids.shape == (0, width, 4)
        assert result.scores.shape == (0, width)
        assert result.alignments.shape == (0, width, 4, 5)


def test_initial_tokens_of_any_integer_type_are_accepted(
    table_step, random_tables, assert_same_result
):
    table = table_step(random_tables(np.random.default_rng(10), 1, 6)[0])
    expected = beam_search(table, [6], {}, 2, 4, END)
    for dtype in ("int32", "int64", "uint8"):
        seen = []

        def step(tokens, state, seen=seen):
            seen.append(keras.backend.standardize_dtype(tokens.dtype))
            return table(tokens, state)

        tokens = np.array([6], dtype)
        assert_same_result(beam_search(step, tokens, {}, 2, 4, END), expected)
        assert set(seen) == {"int32"}
