"""The recipe that computes a recurrent network by hand."""

import numpy as np
import pytest
import tensorflow as tf

from recipes import hand_rnn


def weights(seed=None):
    """The book's weights, or random ones of other sizes."""
    if seed is None:
        return [np.array(x) for x in hand_rnn.WEIGHTS.values()]
    draw = np.random.default_rng(seed).normal
    return [draw(size=x) for x in [(1, 3), (3, 3), 3, (3, 1), 1]]


def test_the_forward_pass_is_what_the_book_printed():
    steps = hand_rnn.forward([1.0, 2.0], weights())
    printed = iter(hand_rnn.PRINTED.values())
    for step in steps:
        for value in step:
            assert str(value) == next(printed)


def test_ten_digits():
    _, (z, state, output) = hand_rnn.forward([1.0, 2.0], weights())
    digits = [1.2923401039, 1.3922567763, 0.8597381843, 0.8836664119]
    np.testing.assert_allclose([*z, *state], digits, atol=5e-11)
    np.testing.assert_allclose(output, 2.7270710082, atol=5e-11)


def test_the_layer_computes_the_same():
    inputs = np.random.default_rng(0).normal(size=7)
    states, outputs = hand_rnn.build_model(weights())(inputs[None, :, None])
    for t, (_, state, output) in enumerate(hand_rnn.forward(inputs, weights())):
        np.testing.assert_allclose(states[0, t], state, atol=1e-15)
        np.testing.assert_allclose(outputs[0, t], output, atol=1e-15)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_gradients_by_hand_are_finite_differences(seed):
    inputs, targets = np.random.default_rng(3).normal(size=(2, 5))
    given = hand_rnn.backward(inputs, targets, weights(seed))
    expected = hand_rnn.finite_differences(inputs, targets, weights(seed))
    for x, y in zip(given, expected, strict=True):
        assert np.abs(y).max() > 0.01
        np.testing.assert_allclose(x, y, atol=1e-7)


def test_a_run_leaves_report_picture_and_model(tmp_path):
    config = hand_rnn.PRESETS["smoke"]
    figures = hand_rnn.main(
        hand_rnn.dataclasses.replace(config, folder=str(tmp_path))
    )
    before = float(figures["loss before learning"])
    assert float(figures["loss after 10 steps"]) < before / 10
    folder = tmp_path / config.name
    report = (folder / "report.md").read_text(encoding="utf-8")
    row = "| state_1 | [0.53704957 0.46211716] | [0.53704957 0.46211716] |"
    assert row in report
    assert {x.name for x in (folder / "plots").iterdir()} == {
        "gradients.png",
        "loss.png",
    }
    model = tf.saved_model.load(str(folder / "model" / "1"))
    found = model.signatures["serving_default"](
        inputs=tf.constant([[[1.0], [2.0]]], "float64")
    )
    # it has learnt: the targets
    np.testing.assert_allclose(found["outputs"][0, :, 0], [1, 2], atol=0.2)


def test_inputs_without_targets_are_an_error(tmp_path):
    config = hand_rnn.Config(folder=str(tmp_path), inputs=(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="3 inputs and 2 targets"):
        hand_rnn.main(config)
