"""Beam search against exhaustive search and against an independent one."""

import numpy as np
import pytest

from zoo.decoding import beam_search
from zoo.decoding import greedy_search

EXHAUSTIVE = [
    "g4_o1_flat",
    "g4_o1_sharp",
    "g4_o1_eos_rare",
    "g4_o2_mid",
    "g4_o2_sharp",
    "g4_trap_extend",
    "g4_trap_long",
    "g4_hunt_noeos",
    "g4_hunt_extend_all_alphas",
    "g4_hunt_narrow_beam_fails",
    "g4_hunt_unfinished_wins",
    "g4_hunt_alpha_matters",
]
SETTINGS = [(1, "0.6"), (3, "0"), (3, "1"), (5, "0.6")]


def assert_same_ranking(result, scores, table, start, end, alpha, log_prob):
    """Checks ids by their own scores, so that ties may stand in any order."""
    np.testing.assert_allclose(result.scores[0], scores, atol=1e-5)
    seen = set()
    for ids, length, score, log_p, finished in zip(
        np.array(result.ids[0]),
        np.array(result.lengths[0]),
        np.array(result.scores[0]),
        np.array(result.log_probs[0]),
        np.array(result.finished[0]),
        strict=True,
    ):
        hypothesis = tuple(ids[:length].tolist())
        assert (hypothesis[-1] == end) == finished
        assert end not in hypothesis[:-1]
        assert np.all(ids[length:] == end)
        expected = log_prob(table, start, hypothesis)
        assert log_p == pytest.approx(expected, abs=1e-5)
        expected /= ((5 + length) / 6) ** alpha
        assert score == pytest.approx(expected, abs=1e-5)
        seen.add(hypothesis)
    assert len(seen) == len(scores)


@pytest.mark.parametrize("rule", ["fin", "any"])
@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_wide_beam_equals_exhaustive_search(
    name, rule, oracle, table_step, log_prob
):
    arrays = oracle(name)
    start, end = int(arrays["start_index"]), int(arrays["eos"])
    step = table_step(arrays["table"])
    for index, alpha in enumerate(arrays["alphas"]):
        scores = arrays[f"{rule}_scores"][index]
        exists = np.isfinite(scores)
        result = beam_search(
            step,
            [start],
            step.state(1, start),
            # As many as there are unfinished hypotheses of 4 tokens out of 4:
            # none is dropped before the last step.
            beam_width=4**4,
            max_length=int(arrays["max_length"]),
            end_id=end,
            length_penalty=float(alpha),
            num_results=int(exists.sum()),
            finished_only=rule == "fin",
        )
        assert_same_ranking(
            result, scores[exists], arrays["table"], start, end, alpha, log_prob
        )
        best = np.array(result.ids[0, 0])
        np.testing.assert_array_equal(best, arrays[f"{rule}_ids"][index, 0])


@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_beam_of_five_finds_the_exhaustive_best(name, oracle, table_step):
    arrays = oracle(name)
    start = int(arrays["start_index"])
    step = table_step(arrays["table"])
    for index, alpha in enumerate(arrays["alphas"]):
        result = beam_search(
            step,
            [start],
            step.state(1, start),
            5,
            int(arrays["max_length"]),
            int(arrays["eos"]),
            float(alpha),
            num_results=1,
        )
        np.testing.assert_array_equal(
            result.ids[0, 0], arrays["any_ids"][index, 0]
        )


@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_beam_of_one_equals_a_frozen_beam_of_one(name, oracle, table_step):
    arrays = oracle(name)
    start = int(arrays["start_index"])
    step = table_step(arrays["table"])
    for index, alpha in enumerate(arrays["alphas"]):
        result = beam_search(
            step,
            [start],
            step.state(1, start),
            1,
            int(arrays["max_length"]),
            int(arrays["eos"]),
            float(alpha),
        )
        np.testing.assert_array_equal(
            result.ids[0, 0], arrays["beam1_ids"][index]
        )
        np.testing.assert_allclose(
            result.scores[0, 0], arrays["beam1_scores"][index], atol=1e-5
        )


@pytest.mark.parametrize("seed", range(12))
def test_wide_beam_equals_brute_force_on_random_tables(
    seed, table_step, exhaustive, log_prob
):
    rng = np.random.default_rng(1000 + seed)
    vocabulary, order = int(rng.integers(3, 7)), int(rng.integers(1, 3))
    max_length = int(rng.integers(1, 6 if vocabulary < 6 else 5))
    alpha, end = float(rng.uniform(0, 1.5)), int(rng.integers(vocabulary))
    finished_only = bool(seed % 2)
    min_length = int(rng.integers(0, max_length + 1))
    logits = rng.normal(size=(vocabulary + 1,) * order + (vocabulary,))
    logits *= rng.uniform(0.5, 3)
    forbidden = rng.uniform(size=logits.shape) < 0.1
    forbidden[..., 0] = False
    logits[forbidden] = -np.inf
    table = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    found = exhaustive(
        table, vocabulary, end, max_length, alpha, finished_only, min_length
    )
    if not found:  # Then unfinished ones are returned.
        found = exhaustive(
            table, vocabulary, end, max_length, alpha, False, min_length
        )
    scores = [score for score, *_ in found[:15]]
    # Logits need not be normalised.
    shift = rng.normal(size=logits.shape[:-1] + (1,))
    step = table_step(logits + shift)
    result = beam_search(
        step,
        [vocabulary],
        step.state(1, vocabulary),
        # Wide enough to keep all to the end, whose last step needs 15.
        max((vocabulary - 1) ** (max_length - 1), 15),
        max_length,
        end,
        alpha,
        num_results=len(scores),
        finished_only=finished_only,
        min_length=min_length,
    )
    assert_same_ranking(result, scores, table, vocabulary, end, alpha, log_prob)


@pytest.mark.parametrize("name", ["g3b_table_a", "g3b_table_b"])
@pytest.mark.parametrize(("width", "alpha"), SETTINGS)
def test_batch_of_tables_gives_each_sentence_its_own_result(
    name, width, alpha, oracle, table_step
):
    arrays = oracle(name)
    table, sos = arrays["table"], int(arrays["sos"])
    batch_size = len(table)
    options = {
        "beam_width": width,
        "max_length": int(arrays["max_iterations"]),
        "end_id": int(arrays["eos"]),
        "length_penalty": float(alpha),
    }
    step = table_step(table, per_sentence=True)
    together = beam_search(
        step, [sos] * batch_size, step.state(batch_size), **options
    )
    for sentence in range(batch_size):
        alone = beam_search(table_step(table[sentence]), [sos], (), **options)
        for one, other in zip(alone[:5], together[:5], strict=True):
            np.testing.assert_allclose(one[0], other[sentence], rtol=1e-6)
    clean = f"k{width}_a{alpha}__clean_"
    best = np.array(together.scores[:, 0])
    if width == 1:
        ids = np.array(together.ids[:, 0])
        final = arrays[clean + "final"][:, :, 0]
        np.testing.assert_array_equal(ids[:, : final.shape[1]], final)
        np.testing.assert_allclose(
            best, arrays[clean + "scores"][:, 0], atol=1e-4
        )
    # A pool of its own costs a finished hypothesis no place in the beam.
    assert np.all(best >= arrays[clean + "scores"][:, 0] - 1e-4)


def test_another_sentence_in_the_batch_changes_nothing(oracle, table_step):
    arrays = oracle("g3b_batch_dependence")
    table, sos = arrays["table"], int(arrays["sos"])
    step = table_step(table, per_sentence=True)
    together = beam_search(
        step,
        [sos, sos],
        step.state(2),
        int(arrays["beam"]),
        int(arrays["max_iterations"]),
        int(arrays["eos"]),
        float(arrays["alpha"]),
    )
    clean = arrays["clean_final"][0].T
    np.testing.assert_array_equal(
        np.array(together.ids[0])[:, : clean.shape[1]], clean
    )
    np.testing.assert_allclose(
        together.scores[0], arrays["clean_scores"][0], atol=1e-5
    )


def test_beam_wider_than_the_vocabulary_equals_brute_force(
    oracle, table_step, exhaustive
):
    arrays = oracle("g3b_wide_beam")
    table, sos, end = arrays["table"], int(arrays["sos"]), int(arrays["eos"])
    max_length = int(arrays["max_iterations"])
    step = table_step(table, per_sentence=True)
    for width in (6, 27):
        result = beam_search(
            step, [sos, sos], step.state(2), width, max_length, end
        )
        assert np.all(np.isfinite(np.asarray(result.scores)))
        for sentence in range(2):
            np.testing.assert_array_equal(
                result.ids[sentence, 0], arrays["final"][sentence, :, 0]
            )
    for sentence in range(2):
        found = exhaustive(table[sentence], sos, end, max_length, 0.0)
        np.testing.assert_allclose(
            result.scores[sentence], [x[0] for x in found[:27]], atol=1e-4
        )


def test_greedy_search_equals_the_clean_beam_of_one(oracle, table_step):
    arrays = oracle("g3b_table_b")
    step = table_step(arrays["table"], per_sentence=True)
    result = greedy_search(
        step,
        [int(arrays["sos"])] * 4,
        step.state(4),
        int(arrays["max_iterations"]),
        int(arrays["eos"]),
        0.6,
    )
    np.testing.assert_allclose(
        result.scores, arrays["k1_a0.6__clean_scores"], atol=1e-4
    )
    np.testing.assert_array_equal(
        result.lengths, arrays["k1_a0.6__clean_lengths"]
    )
