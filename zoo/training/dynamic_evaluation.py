"""Dynamic evaluation: a language model that learns the text it is tested on."""

import math
import numbers
import sys

import numpy as np
import tensorflow as tf

from zoo.data.vocabulary import check_integer


def dynamic_perplexity(
    model,
    token_ids,
    learning_rate,
    decay=0.0,
    mean_squares=None,
    num_steps=5,
    batch_size=1,
    epsilon=2e-5,
):
    """Perplexity of a text by a model that learns from what it has read of it.

    ```
    w <- w - learning_rate g / (r + epsilon) + min(decay n, 1) (w_0 - w)
    r = sqrt(mean_squares)               n = r / mean(r)
    ```

    after each piece of the text, with `g` the gradient of the piece's mean
    loss and `w_0` the weights that the model was given with. Each piece is
    measured before it is learnt from. What a text repeats, such as a name,
    becomes likely; the decay forgets it again, most quickly in the weights
    that training moves most. Krause, Kahembwe, Murray & Renals, "Dynamic
    Evaluation of Neural Sequence Models" (2018),
    https://arxiv.org/abs/1709.07432, section 5, its RMS rule with a global
    prior. As in the authors' program, mean(r) is taken over the weights'
    means, so that a large embedding counts no more than a bias. Without
    `mean_squares` it is their SGD: r + epsilon and n are one.

    Dropout is off. The state is carried from piece to piece, as it was before
    the step; the gradient stays within a piece. `learning_rate` and `decay`
    are to be chosen on a text for development; what is good for a number of
    steps grows about in proportion to it.

    The model's weights are what they were when this returns or fails.

    Args:
        model: A `zoo.models.LanguageModel`. Weights that are not trainable
            stay as they are.
        token_ids: Integers of shape `(tokens,)`. The first is read and not
            predicted.
        learning_rate: Number of at least 0.
        decay: Share of the way back to `w_0` that a weight goes in a step,
            from 0 to 1, on average if there are `mean_squares`.
        mean_squares: What `mean_squared_gradients` returned for the model on
            its training text, or `None`.
        num_steps: Number of tokens to read and to learn from at a time.
        batch_size: Number of rows to cut the text into and read side by side.
            Above 1 it is faster, but all rows share what each has learnt, so
            that a row has learnt from rows that come after it in the text:
            no figure to report. What does not fill the rows is left out.
        epsilon: Added to `r`, a positive number.

    Returns:
        A float.

    Raises:
        ValueError: If the text is too short, `mean_squares` are those of
            another model, or a number lies outside its range.

    Example:

    >>> from zoo.models import LanguageModel, LanguageModelBackbone
    >>> model = LanguageModel(LanguageModelBackbone(9, units=8))
    >>> train, text = np.arange(300) % 9, np.tile([8, 3, 5], 40)
    >>> squares = mean_squared_gradients(model, train, batch_size=4)
    >>> learnt = dynamic_perplexity(model, text, 1e-4, 1e-3, squares)
    >>> learnt < model.perplexity(text)
    True
    """
    _check_numbers(learning_rate, decay, epsilon)
    weights = model.trainable_weights
    # Divisors of the gradients and shares of the way back.
    divisors, rates = [1.0] * len(weights), [float(decay)] * len(weights)
    if mean_squares is not None:
        roots = _roots(mean_squares, weights)
        divisors = [root + epsilon for root in roots]
        mean = np.mean([np.mean(root) for root in roots])
        rates = [np.minimum(decay * root / mean, 1) for root in roots]
    factors = [
        (
            tf.constant(learning_rate / divisor, weight.dtype),
            tf.constant(rate, weight.dtype),
        )
        for divisor, rate, weight in zip(divisors, rates, weights, strict=True)
    ]
    originals = [tf.identity(weight.value) for weight in weights]

    def learn(gradients):
        for weight, gradient, (step, rate), original in zip(
            weights, gradients, factors, originals, strict=True
        ):
            back = rate * (original - weight.value)
            weight.assign(weight.value - step * gradient + back)

    try:
        losses = _read_and(learn, model, token_ids, batch_size, num_steps)
    finally:
        for weight, original in zip(weights, originals, strict=True):
            weight.assign(original)
    return float(np.exp(losses.mean()))


def mean_squared_gradients(model, token_ids, num_steps=5, batch_size=100):
    """The mean of each weight's squared gradients over a text.

    ```
    mean_squares = 1/n sum_k g_k^2                 k = 1 .. n pieces
    ```

    with `g_k` the gradient of the mean loss of piece `k`, all rows together,
    by the weights as they are; Krause et al. (2018), as
    `dynamic_perplexity`, for which it is, section 5.

    Args:
        model: A `zoo.models.LanguageModel`, trained.
        token_ids: Integers of shape `(tokens,)`, the text that it was trained
            on.
        num_steps: Number of tokens in a row of a piece.
        batch_size: Number of rows to cut the text into; 100 in the authors'
            program, while the text to measure is read as one. The more there
            are, the smaller the mean of their gradients, and the larger the
            steps of `dynamic_perplexity` at the same `learning_rate`.

    Returns:
        List of float32 arrays in the shapes of `model.trainable_weights`.

    Raises:
        ValueError: If the text is too short.

    Example:

    >>> from zoo.models import LanguageModel, LanguageModelBackbone
    >>> model = LanguageModel(LanguageModelBackbone(9, units=8))
    >>> squares = mean_squared_gradients(model, np.arange(300) % 9, 5, 4)
    >>> squares[0].shape == model.trainable_weights[0].shape
    True
    """
    weights = model.trainable_weights
    sums = [tf.Variable(tf.zeros(x.shape, x.dtype)) for x in weights]
    pieces = tf.Variable(0.0)

    def gather(gradients):
        pieces.assign_add(1.0)
        for total, gradient in zip(sums, gradients, strict=True):
            total.assign_add(tf.square(gradient))

    _read_and(gather, model, token_ids, batch_size, num_steps)
    return [(total / pieces).numpy() for total in sums]


def _read_and(use, model, token_ids, batch_size, num_steps):
    """Every token's loss; `use` gets the gradients of each piece after it."""
    check_integer("num_steps", num_steps, least=1)
    check_integer("batch_size", batch_size, least=1)
    weights = model.trainable_weights
    tokens = tf.TensorSpec((batch_size, None), tf.int32)
    state = tf.nest.map_structure(
        tf.TensorSpec.from_tensor, model.backbone.get_initial_state(batch_size)
    )

    @tf.function(input_signature=[tokens, tokens, state], autograph=False)
    def read(inputs, labels, state):
        with tf.GradientTape() as tape:
            losses, state = model._token_losses(inputs, labels, state)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(
            loss,
            [weight.value for weight in weights],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # that of an embedding alone holds only the rows that were read
        use([tf.convert_to_tensor(gradient) for gradient in gradients])
        return losses, state

    return model._losses_in_pieces(read, token_ids, batch_size, num_steps)


def _roots(mean_squares, weights):
    """Roots of mean squares, once they are seen to be those of the weights."""
    given = [np.shape(x) for x in mean_squares]
    expected = [tuple(weight.shape) for weight in weights]
    if given != expected:
        raise ValueError(
            "Expected `mean_squares` in the shapes of the model's trainable "
            f"weights, {expected}, got {given}. Pass what "
            "`zoo.training.mean_squared_gradients` returns for this model."
        )
    return [np.sqrt(x) for x in mean_squares]


def _check_numbers(learning_rate, decay, epsilon):
    """Raises `ValueError` unless all three are numbers in their ranges."""
    for name, value, least, most, expected in (
        ("learning_rate", learning_rate, 0, math.inf, "of at least 0"),
        ("decay", decay, 0, 1, "from 0 to 1"),
        ("epsilon", epsilon, sys.float_info.min, math.inf, "above 0"),
    ):
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not least <= value <= most or math.isinf(value):
            raise ValueError(
                f"Expected `{name}` to be a number {expected}, got {value!r}. "
                "See `zoo.training.dynamic_perplexity`."
            )
