"""TokenCrossentropy against the losses of TensorFlow Addons and the book."""

import numpy as np
import pytest

from tests.backend import gradients
from tests.backend import numpy_of
from zoo.training import TokenCrossentropy


@pytest.mark.parametrize("kind", ["mask", "float"])
def test_sequence_loss_of_tensorflow_addons(kind, oracle):
    arrays = oracle("g8_sequence_loss")
    logits, targets = arrays["logits"], arrays["targets"]
    weights = arrays[f"weights_{kind}"]
    mean = TokenCrossentropy()(targets, logits, sample_weight=weights)
    np.testing.assert_allclose(
        numpy_of(mean), arrays[f"{kind}_avgT_avgB"], atol=1e-5
    )
    each = TokenCrossentropy(reduction="none")(
        targets, logits, sample_weight=weights
    )
    each = numpy_of(each)
    np.testing.assert_allclose(each, arrays[f"{kind}_none"], atol=1e-5)
    total = TokenCrossentropy(reduction="sum")(
        targets, logits, sample_weight=weights
    )
    # "sum" of the addons divides by the number of weights that are not zero
    count = np.count_nonzero(weights)
    np.testing.assert_allclose(
        numpy_of(total) / count, arrays[f"{kind}_sumT_sumB"], atol=1e-5
    )
    if kind == "mask":
        np.testing.assert_allclose(
            numpy_of(total) / len(logits),
            arrays["sum_over_time_mean_over_batch"],
            atol=1e-5,
        )
    for axis, name in ((1, "T"), (0, "B")):
        sums = each.sum(axis)
        mass = weights.sum(axis)
        np.testing.assert_allclose(
            np.divide(sums, mass, np.zeros_like(sums), where=mass != 0),
            arrays[f"{kind}_avg{name}"],
            atol=1e-5,
        )
        count = np.maximum(np.count_nonzero(weights, axis), 1)
        np.testing.assert_allclose(
            sums / count, arrays[f"{kind}_sum{name}"], atol=1e-5
        )


def test_gradient_of_the_mean_per_token(oracle):
    arrays = oracle("g8_sequence_loss")

    def loss(logits):
        return TokenCrossentropy()(
            arrays["targets"], logits, sample_weight=arrays["weights_mask"]
        )

    (gradient,) = gradients(loss, [arrays["logits"]])
    np.testing.assert_allclose(
        gradient, arrays["grad_logits_mask_avgT_avgB"], atol=1e-5
    )


def test_perplexity_is_that_of_all_tokens_together(oracle):
    arrays = oracle("g8_perplexity")
    nll = arrays["nll"]
    real = np.arange(nll.shape[1]) < arrays["lengths"][:, None]
    # two classes, the first of which has this negative log-likelihood
    logits = np.stack([-np.log(np.expm1(nll)), np.zeros_like(nll)], axis=-1)
    for dtype, tolerance in (("float64", 1e-10), ("float32", 2e-6)):
        loss = TokenCrossentropy(dtype=dtype)(
            np.zeros(nll.shape, "int32"),
            logits.astype(dtype),
            sample_weight=real.astype(dtype),
        )
        np.testing.assert_allclose(
            np.exp(numpy_of(loss)), arrays["perplexity"], rtol=tolerance
        )


def test_losses_of_the_book(oracle):
    arrays = oracle("g8_book")
    logits, labels = arrays["ce_logits"][None], arrays["ce_labels"][None]
    each = numpy_of(TokenCrossentropy(reduction="none")(labels, logits))[0]
    np.testing.assert_allclose(each, arrays["ce_loss"], atol=1e-6)
    mean = numpy_of(TokenCrossentropy()(labels, logits))
    np.testing.assert_allclose(np.exp(mean), arrays["ce_perplexity"], atol=1e-6)
    # its soft targets, 0.98, 0.01 and 0.01, are a smoothing of 0.03
    smoothing = 3 * float(arrays["ce_soft_targets"].min())
    soft = TokenCrossentropy(smoothing, reduction="none")(labels, logits)
    np.testing.assert_allclose(
        numpy_of(soft)[0], arrays["ce_soft_loss"], atol=1e-6
    )
