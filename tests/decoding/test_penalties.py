import numpy as np
import pytest
from keras import ops

from tests.backend import dtype_of
from zoo.decoding import coverage_penalty
from zoo.decoding import length_penalty


def test_length_penalty_equals_the_oracle(oracle):
    arrays = oracle("g8_length_penalty")
    for alpha, expected in zip(arrays["alphas"], arrays["lp"], strict=True):
        given = length_penalty(arrays["lengths"], alpha)
        np.testing.assert_allclose(given, expected, rtol=1e-6)


def test_length_penalty_of_a_single_token_is_one():
    assert float(length_penalty(1, 0.8)) == 1.0


def test_coverage_penalty_equals_the_oracle(oracle):
    arrays = oracle("g8_coverage")
    steps = np.arange(arrays["p"].shape[1])
    real = steps < arrays["target_lengths"][:, None]
    totals = np.sum(arrays["p"] * real[:, :, None], axis=1)
    mask = arrays["source_mask"]
    np.testing.assert_allclose(
        coverage_penalty(totals, mask, 1.0), arrays["raw"], atol=1e-5
    )
    for beta, expected in zip(arrays["betas"], arrays["penalty"], strict=True):
        given = coverage_penalty(totals, mask, beta)
        np.testing.assert_allclose(given, expected, atol=1e-5)


def test_unattended_word_costs_more_than_an_attended_one_but_not_all(oracle):
    arrays = oracle("g8_coverage")
    steps = np.arange(arrays["hard_p"].shape[1])
    real = steps < arrays["target_lengths"][:, None]
    totals = np.sum(arrays["hard_p"] * real[:, :, None], axis=1)
    mask = arrays["source_mask"]
    given = np.array(coverage_penalty(totals, mask, 1.0))
    np.testing.assert_allclose(
        given, arrays["hard_unattended"] * np.log(1e-6), rtol=1e-6
    )
    better = coverage_penalty(np.maximum(totals, 0.01), mask, 1.0)
    missed = arrays["hard_unattended"] > 0
    assert missed.any()
    assert np.all(np.array(better)[missed] > given[missed])


def test_coverage_penalty_broadcasts_the_mask_over_beams():
    totals = np.random.default_rng(0).uniform(0, 2, (2, 4, 3))
    mask = np.array([[True, True, False], [True, False, False]])
    given = np.array(coverage_penalty(totals, mask, 0.7))
    for beam in range(4):
        alone = coverage_penalty(totals[:, beam], mask, 0.7)
        np.testing.assert_array_equal(given[:, beam], alone)


def test_coverage_penalty_without_mask_counts_every_position():
    totals = np.random.default_rng(1).uniform(0, 2, (2, 3))
    np.testing.assert_array_equal(
        coverage_penalty(totals, None, 0.3),
        coverage_penalty(totals, np.ones((2, 3), bool), 0.3),
    )


def test_coverage_penalty_of_a_fully_padded_source_is_zero():
    given = coverage_penalty(np.zeros((2, 3)), np.zeros((2, 3), bool), 1.0)
    np.testing.assert_array_equal(given, [0.0, 0.0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_totals_give_float32_penalties(dtype):
    totals = ops.cast([[0.25, 1.5]], dtype)
    given = coverage_penalty(totals, None, 1.0)
    assert dtype_of(given) == "float32"
    np.testing.assert_allclose(given, [np.log(0.25)], rtol=1e-6)
