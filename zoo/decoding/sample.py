"""Sampling: tokens drawn from the distribution of the model."""

import math
import numbers

import keras
from keras import ops

from zoo.decoding import _arguments
from zoo.decoding._single import follow
from zoo.ops.backend import load_backend
from zoo.ops.categorical import categorical


def sample(
    step,
    initial_tokens,
    initial_state,
    max_length,
    end_id,
    temperature=1.0,
    top_k=None,
    seed=None,
    *,
    memory_mask=None,
    min_length=0,
    pad_id=None,
):
    """Draws a token from the model's distribution at every step.

    ```
    y_t ~ softmax(logits_t / temperature), of the top_k best tokens only
    ```

    The reported `log_probs` are those of the model itself, without
    temperature or `top_k`, and `scores` are the same numbers. Runs eagerly, in
    a graph or compiled by XLA, and stops when every sentence has ended. For
    several samples of a sentence repeat its row.

    Args:
        step: function `step(tokens, state)` of int32 tokens `(B,)` and the
            state, returning `(logits, state)` or `(logits, state, alignments)`;
            see `zoo.decoding.beam_search`, `B` in place of `B * K`.
        initial_tokens: `(B,)` integers, the start token of each sentence.
        initial_state: any nest of tensors `(B, ...)`.
        max_length: int, the most tokens of an output, end token included.
        end_id: int, the end token.
        temperature: positive float: below 1 the probable tokens become more
            probable, above 1 the others.
        top_k: int, how many tokens may be drawn, the most probable ones (and
            all that are as probable as the last of them). `None`: all.
        seed: int, for the same sample at every call; a
            `keras.random.SeedGenerator`, for the next one at every call; or
            `None`, for Keras's global generator.
        memory_mask: `(B, S)` bool, True = real source position: checked
            against the alignments.
        min_length: int, the least tokens of an output, end token included.
        pad_id: int, fills `ids` after the end. Default: `end_id`.

    Returns:
        A `zoo.decoding.BeamSearchResult` with one hypothesis for each sentence.

    Raises:
        ValueError: an option is out of its range, or `step` returns shapes
            other than documented.
        TypeError: an argument or the state that `step` returns has the wrong
            type.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import zoo
    >>> # Token 0 is the end. 1 starts, 2 follows, and then it ends.
    >>> table = np.log([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    >>> def step(tokens, state):
    ...     return keras.ops.take(table, tokens, axis=0), state
    >>> result = zoo.decoding.sample(
    ...     step, [1], (), 4, end_id=0, temperature=0.01, seed=1
    ... )
    >>> print(np.array(result.ids[0, 0]), int(result.lengths[0, 0]))
    [2 0 0 0] 2
    """
    _check_temperature(temperature)
    if top_k is not None:
        _arguments.check_integer(
            "top_k", top_k, 1, "Leave it out to draw from all tokens."
        )
    _arguments.check_integer(
        "max_length", max_length, 1, "It counts tokens, end token included."
    )
    # Before the loop: not every backend can draw inside of one.
    tokens = _arguments.check_tokens(initial_tokens)
    uniform = keras.random.uniform(
        (max_length, ops.shape(tokens)[0]), seed=seed
    )

    def draw(logits, time):
        if top_k is not None and top_k < logits.shape[1]:
            best, _ = load_backend().top_k(logits, top_k)
            least = best[:, -1:]
            logits = ops.where(logits < least, -float("inf"), logits)
        # A row of nothing but -inf has no distribution: the loop sees to it.
        highest = ops.max(logits, axis=-1, keepdims=True)
        logits = ops.where(highest > -float("inf"), logits - highest, 0.0)
        return categorical(logits / temperature, ops.take(uniform, time, 0))

    return follow(
        draw,
        step,
        tokens,
        initial_state,
        max_length,
        end_id,
        0.0,
        0.0,
        memory_mask,
        min_length,
        pad_id,
    )


def _check_temperature(value):
    """Raises unless the temperature is a positive, finite number."""
    expected = "`temperature` must be a positive number"
    remedy = "Pass 1 for the distribution of the model itself."
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{expected}, got {value!r}. {remedy}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(
            f"{expected}, got {value}. {remedy} For the most probable tokens "
            "there is `zoo.decoding.greedy_search`."
        )
