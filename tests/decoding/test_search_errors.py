"""Each mistake is named: what was expected, what was given, what to do."""

import numpy as np
import pytest
from keras import ops

from zoo.decoding import beam_search
from zoo.decoding import greedy_search

VOCABULARY, SOURCE = 5, 3


def step(tokens, state):
    return ops.zeros((tokens.shape[0], VOCABULARY)), state


def search(step=step, tokens=(1, 1), state=(), **options):
    arguments = {"beam_width": 2, "max_length": 4, "end_id": 0, **options}
    return beam_search(step, np.array(tokens), state, **arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"beam_width": 0}, ValueError, "`beam_width`.*least 1, got 0.*greedy"),
        ({"beam_width": 2.0}, TypeError, "`beam_width`.*integer.*2.0 of type"),
        ({"beam_width": True}, TypeError, "`beam_width`.*True of type bool"),
        ({"max_length": 0}, ValueError, "`max_length`.*at least 1, got 0"),
        ({"max_length": None}, TypeError, "`max_length`.*integer.*None"),
        ({"min_length": -1}, ValueError, "`min_length`.*at least 0, got -1"),
        (
            {"min_length": 5},
            ValueError,
            "min_length=5 and max_length=4. Lower",
        ),
        ({"length_penalty": -0.1}, ValueError, "`length_penalty`.*got -0.1"),
        (
            {"length_penalty": float("nan")},
            ValueError,
            "`length_penalty`.*finite.*got nan",
        ),
        ({"length_penalty": "0.6"}, TypeError, "`length_penalty`.*type str"),
        ({"coverage_penalty": -1}, ValueError, "`coverage_penalty`.*got -1"),
        (
            {"coverage_penalty": 0.2},
            ValueError,
            "`coverage_penalty` needs.*no alignments. Return them",
        ),
        ({"num_results": 0}, ValueError, "`num_results`.*at least 1, got 0"),
        (
            {"num_results": 3},
            ValueError,
            "num_results=3 and beam_width=2. Ask for fewer",
        ),
        ({"end_id": -1}, ValueError, "`end_id`.*at least 0, got -1"),
        ({"end_id": 5}, ValueError, "`end_id`.*0 to 4, got 5.*width of the"),
        ({"pad_id": -1}, ValueError, "`pad_id`.*at least 0, got -1"),
        (
            {"memory_mask": np.ones(3, bool)},
            ValueError,
            r"`memory_mask`.*rank 2.*shape \(3,\)",
        ),
        (
            {"tokens": [[1], [1]]},
            ValueError,
            r"`initial_tokens`.*rank 1.*shape \(2, 1\).*one row per sentence",
        ),
        (
            {"tokens": [1.0, 1.0]},
            TypeError,
            "`initial_tokens`.*integer.*got dtype float(32|64). Cast",
        ),
        ({"state": None}, ValueError, "`initial_state`.*tensor, got None"),
        (
            {"state": {"h": [np.zeros((2, 3)), None]}},
            ValueError,
            r"`initial_state\['h'\]\[1\]`.*got None",
        ),
        (
            {"state": [np.zeros((4, 3))]},
            ValueError,
            r"`initial_state\[0\]`.*batch.*\(2\).*\(4, 3\).*not one per beam",
        ),
        ({"state": [np.float32(1)]}, ValueError, r"\[batch, ...\].*shape \(\)"),
        ({"step": "model"}, TypeError, "`step` must be a function.*'model'"),
    ],
)
def test_wrong_argument_is_named(options, error, message):
    with pytest.raises(error, match=message):
        search(**options)


def returning(logits=(4, VOCABULARY), alignments=None, state=None):
    """A step with results of the given shapes, for 2 sentences and 2 beams."""

    def step(tokens, old_state):
        outputs = ops.zeros(logits), old_state if state is None else state
        return outputs if alignments is None else (*outputs, alignments)

    return step


H = np.zeros((2, 3), "float32")


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (
            returning((4, 1, VOCABULARY)),
            ValueError,
            r"logits.*\[batch \* beam, vocabulary\].*\(4, 1, 5\).*time axis",
        ),
        (returning((2, VOCABULARY)), ValueError, r"of the 4 tokens.*\(2, 5\)"),
        (
            returning(alignments=np.zeros((2, 2, 3))),
            ValueError,
            r"alignments.*source positions.*\(2, 2, 3\)",
        ),
        (
            returning(alignments=np.zeros((4, 2))),
            ValueError,
            r"as wide as `memory_mask`, 3 source.*\(4, 2\)",
        ),
        (lambda tokens, state: state, ValueError, "must return.*got 1 values"),
        (
            lambda tokens, state: ops.zeros((4, VOCABULARY)),
            ValueError,
            r"must return \(logits, state\).*got \w+\. .*where there is none",
        ),
        (returning(state=[]), ValueError, "structure.*1 tensors, got 0"),
        (
            returning(state=[np.zeros((4, 2), "float32")]),
            ValueError,
            r"shapes.*expected \(4, 3\) for tensor 0.*got \(4, 2\)",
        ),
        (
            returning(state=[np.zeros((4, 3), "float16")]),
            TypeError,
            "dtypes.*expected float32 for tensor 0.*got float16. Cast",
        ),
    ],
)
def test_wrong_result_of_the_step_is_named(step, error, message):
    with pytest.raises(error, match=message):
        search(step, state=[H], memory_mask=np.ones((2, SOURCE), bool))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_length": 0}, ValueError, "`max_length`.*got 0"),
        ({"coverage_penalty": 0.1}, ValueError, "needs a `step` that returns"),
        ({"tokens": [[1]]}, ValueError, "`initial_tokens`.*rank 1"),
    ],
)
def test_greedy_search_checks_the_same(options, error, message):
    tokens = np.array(options.pop("tokens", [1, 1]))
    arguments = {"max_length": 4, "end_id": 0, **options}
    with pytest.raises(error, match=message):
        greedy_search(step, tokens, (), **arguments)
