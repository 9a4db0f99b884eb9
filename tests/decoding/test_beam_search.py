"""What a beam search promises, on tables small enough to follow by hand."""

import numpy as np
import pytest

from zoo.decoding import beam_search
from zoo.decoding import greedy_search

END, A, B, C, START = range(5)


def table(**rows):
    """Log-probabilities: `start={A: 0.6, B: 0.4}` and so on."""
    result = np.full((5, 5), 1e-12)
    result[END] = [0.0, 0.0, 0.0, 1.0, 0.0]  # A search that goes on gains.
    names = {"a": A, "b": B, "c": C, "start": START}
    for name, row in rows.items():
        for token, probability in row.items():
            result[names[name], token] = probability
    with np.errstate(divide="ignore"):
        return np.log(result)


#                          .4
#                      +------- c --- 1 ---> end     .24, what greedy finds
#             .6       |   .3
#         +------- a --+-------------> end            .18
#         |            |   .3             .9
#  start -+            +------- b -----------> end    .162
#         |   .4               .9
#         +------- b ----------------> end            .36, the best
#                      |   .1
#                      +------- c --- 1 ---> end      .04
LATTICE = table(
    start={A: 0.6, B: 0.4},
    a={C: 0.4, END: 0.3, B: 0.3},
    b={END: 0.9, C: 0.1},
    c={END: 1.0},
)


def test_two_beams_find_what_greedy_misses(table_step):
    step = table_step(LATTICE)
    greedy = greedy_search(step, [START], (), 4, END)
    np.testing.assert_array_equal(greedy.ids[0], [[A, C, END, END]])
    np.testing.assert_allclose(np.exp(greedy.log_probs), [[0.24]], rtol=1e-5)
    beam = beam_search(step, [START], (), 2, 4, END)
    np.testing.assert_array_equal(
        beam.ids[0], [[B, END, END, END], [A, C, END, END]]
    )
    np.testing.assert_allclose(
        np.exp(beam.log_probs), [[0.36, 0.24]], rtol=1e-5
    )


def test_n_best_list_is_complete_and_ordered(table_step):
    result = beam_search(table_step(LATTICE), [START], (), 6, 4, END)
    np.testing.assert_array_equal(
        np.array(result.ids[0, :5, :3]),
        [[B, END, END], [A, C, END], [A, END, END], [A, B, END], [B, C, END]],
    )
    np.testing.assert_allclose(
        np.exp(result.log_probs[0, :5]),
        [0.36, 0.24, 0.18, 0.162, 0.04],
        rtol=1e-5,
    )
    np.testing.assert_array_equal(result.lengths[0, :5], [2, 3, 2, 3, 3])
    assert np.all(np.asarray(result.finished)[0, :5])


def test_finished_hypotheses_keep_their_score(table_step):
    # After the end the table goes on with certainty, which must not be read:
    # a hypothesis of length 9 would score far better under the penalty.
    result = beam_search(table_step(LATTICE), [START], (), 3, 9, END, 1.0)
    np.testing.assert_allclose(
        result.scores[0],
        [
            np.log(0.36) / (7 / 6),
            np.log(0.24) / (8 / 6),
            np.log(0.162) / (8 / 6),
        ],
        rtol=1e-5,
    )


def test_length_penalty_flips_the_ranking(table_step):
    # Ended at once .5; a b c b end .35.
    step = table_step(
        table(
            start={END: 0.5, A: 0.5},
            a={B: 0.7, END: 0.3},
            b={C: 0.9, END: 0.1},
            c={END: 1.0},
        )
    )
    short, long = [END] * 4, [A, B, C, END]
    for alpha, order in ((0.0, [short, long]), (1.5, [long, short])):
        result = beam_search(step, [START], (), 4, 4, END, alpha, num_results=2)
        np.testing.assert_array_equal(result.ids[0], order)


def test_unfinished_hypothesis_may_win_unless_only_finished_are_asked_for(
    table_step,
):
    step = table_step(
        table(start={A: 1.0}, a={B: 0.9, END: 0.1}, b={C: 1.0}, c={B: 1.0})
    )
    both = beam_search(step, [START], (), 2, 4, END)
    np.testing.assert_array_equal(both.ids[0, 0], [A, B, C, B])
    np.testing.assert_array_equal(both.finished, [[False, True]])
    np.testing.assert_array_equal(both.lengths, [[4, 2]])
    only = beam_search(step, [START], (), 2, 4, END, finished_only=True)
    np.testing.assert_array_equal(only.ids[0, 0], [A, END, END, END])
    np.testing.assert_allclose(np.exp(only.scores[0, 0]), 0.1, rtol=1e-5)


def test_unfinished_hypotheses_stand_in_where_none_finishes(table_step):
    loop = np.full((5, 5), -np.inf)
    loop[:, [A, B]] = np.log([0.7, 0.3])
    loop[B, [A, B]] = np.log([0.5, 0.5])
    result = beam_search(
        table_step(loop), [START], (), 2, 3, END, finished_only=True
    )
    np.testing.assert_array_equal(result.ids[0], [[A, A, A], [A, A, B]])
    assert not np.any(np.asarray(result.finished))


@pytest.mark.parametrize("width", [1, 3])
def test_end_token_waits_for_min_length(width, table_step):
    for min_length in range(1, 6):
        result = beam_search(
            table_step(np.log(np.full((5, 5), 0.01) + 0.9 * np.eye(5)[0])),
            [START],
            (),
            width,
            5,
            END,
            min_length=min_length,
            num_results=1,
        )
        assert int(result.lengths[0, 0]) == min_length
        assert bool(result.finished[0, 0])
        others = (min_length - 1) * np.log(0.01 / 0.95)
        np.testing.assert_allclose(
            result.log_probs, [[others + np.log(0.91 / 0.95)]], rtol=1e-4
        )


@pytest.mark.parametrize("width", [1, 2])
def test_pad_id_fills_what_follows_the_end(width, table_step):
    result = beam_search(
        table_step(LATTICE), [START], (), width, 5, END, pad_id=7
    )
    for ids, length in zip(result.ids[0], result.lengths[0], strict=True):
        assert ids[length - 1] == END
        np.testing.assert_array_equal(ids[length:], 7)


def test_equal_scores_are_ordered_by_beam_and_token(
    table_step, assert_same_result
):
    flat = table_step(np.zeros((5, 5)))
    result = beam_search(flat, [START], (), 4, 2, END)
    np.testing.assert_array_equal(
        result.ids[0], [[END, END], [A, END], [B, END], [C, END]]
    )
    again = beam_search(flat, [START], (), 4, 2, END)
    assert_same_result(result, again)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_forbidden_tokens_are_not_chosen(width, table_step):
    logits = np.random.default_rng(3).normal(size=(5, 5))
    logits[:, [B, START]] = -np.inf
    result = beam_search(table_step(logits), [START], (), width, 4, END)
    assert not np.any(np.isnan(np.asarray(result.scores)))
    assert np.all(np.isfinite(np.asarray(result.scores)))
    assert not np.any(np.isin(np.asarray(result.ids), [B, START]))


@pytest.mark.parametrize("width", [1, 3])
def test_places_without_a_hypothesis_are_empty(width, table_step):
    # Sentence 0 has one hypothesis, sentence 1 none at all.
    logits = np.full((2, 5, 5), -np.inf)
    logits[0, START, A] = logits[0, A, END] = 0.0
    step = table_step(logits, per_sentence=True)
    result = beam_search(
        step, [START, START], step.state(2), width, 3, END, 1.0, pad_id=6
    )
    np.testing.assert_array_equal(result.ids[0, 0], [A, END, 6])
    assert float(result.scores[0, 0]) == 0.0
    for empty in ((0, slice(1, None)), (1, slice(None))):
        assert np.all(np.array(result.ids)[empty] == 6)
        assert np.all(np.array(result.lengths)[empty] == 0)
        assert not np.any(np.array(result.finished)[empty])
        assert np.all(np.array(result.scores)[empty] == -np.inf)
        assert np.all(np.array(result.log_probs)[empty] == -np.inf)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_stopping_early_changes_no_result(
    alpha, table_step, random_tables, loops_step_by_step
):
    rng = np.random.default_rng(int(10 * alpha))
    calls = []
    for one in random_tables(rng, 5, 6):
        endless = one.copy()
        endless[:, END] = -np.inf
        # Beside itself a sentence stops early, beside an endless one it cannot.
        results = []
        for other in (one, endless):
            step = table_step(np.stack([one, other]), per_sentence=True)
            results.append(
                beam_search(step, [6, 6], step.state(2), 3, 12, END, alpha)
            )
            calls.append(step.calls)
        for early, full in zip(results[0][:5], results[1][:5], strict=True):
            np.testing.assert_array_equal(early[0], full[0])
    assert set(calls[1::2]) == {12}
    assert min(calls[::2]) < 12


def test_search_stops_when_the_best_results_are_certain(
    table_step, loops_step_by_step
):
    step = table_step(LATTICE)
    beam_search(step, [START], (), 2, 50, END, num_results=1)
    # b end, .36; after three tokens all that lives on is impossible.
    assert step.calls <= 3
    certain = table_step(
        table(start={END: 0.9, A: 0.1}, a={B: 1.0}, b={C: 1.0}, c={END: 1.0})
    )
    beam_search(certain, [START], (), 2, 50, END, num_results=1)
    assert certain.calls == 1


def test_fewer_results_are_the_first_of_more(table_step, random_tables):
    tables = random_tables(np.random.default_rng(5), 3, 6)
    step = table_step(tables, per_sentence=True)
    arguments = [6] * 3, step.state(3), 4, 6, END, 0.8
    full = beam_search(step, *arguments)
    for number in (1, 2, 3):
        some = beam_search(step, *arguments, num_results=number)
        for one, other in zip(some[:5], full[:5], strict=True):
            np.testing.assert_array_equal(one, other[:, :number])


def test_beam_of_one_is_greedy_search(
    table_step, random_tables, assert_same_result
):
    tables = random_tables(np.random.default_rng(6), 4, 7)
    step = table_step(tables, per_sentence=True)
    options = {"min_length": 2, "pad_id": 3}
    one = beam_search(step, [7] * 4, step.state(4), 1, 6, END, 0.9, **options)
    other = greedy_search(step, [7] * 4, step.state(4), 6, END, 0.9, **options)
    assert_same_result(one, other)
