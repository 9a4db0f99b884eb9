"""Greedy search: the most probable token at every step."""

from keras import ops

from zoo.decoding._single import follow


def greedy_search(
    step,
    initial_tokens,
    initial_state,
    max_length,
    end_id,
    length_penalty=0.0,
    coverage_penalty=0.0,
    *,
    memory_mask=None,
    min_length=0,
    pad_id=None,
):
    """Takes the most probable token at every step, until the end token.

    Same result as `zoo.decoding.beam_search` with `beam_width=1`. The penalties
    change no choice, only the score that is reported. Of equally probable
    tokens the one with the lowest id is taken. Runs eagerly, in a graph or
    compiled by XLA, and stops when every sentence has ended.

    Args:
        step: function `step(tokens, state)` of int32 tokens `(B,)` and the
            state, returning `(logits, state)` or `(logits, state, alignments)`;
            see `zoo.decoding.beam_search`, `B` in place of `B * K`.
        initial_tokens: `(B,)` integers, the start token of each sentence.
        initial_state: any nest of tensors `(B, ...)`.
        max_length: int, the most tokens of an output, end token included.
        end_id: int, the end token.
        length_penalty: float, at least 0: `alpha` of
            `zoo.decoding.length_penalty`.
        coverage_penalty: float, at least 0: `beta` of
            `zoo.decoding.coverage_penalty`. Above 0, `step` must return
            alignments.
        memory_mask: `(B, S)` bool, True = real source position, for the
            coverage penalty. `None`: all are real.
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
    >>> table = np.log([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.7, 0.2, 0.1]])
    >>> def step(tokens, state):
    ...     return keras.ops.take(table, tokens, axis=0), state
    >>> result = zoo.decoding.greedy_search(step, [1], (), 4, end_id=0)
    >>> print(np.array(result.ids[0, 0]), int(result.lengths[0, 0]))
    [2 0 0 0] 2
    """

    def best(logits, time):
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    return follow(
        best,
        step,
        initial_tokens,
        initial_state,
        max_length,
        end_id,
        length_penalty,
        coverage_penalty,
        memory_mask,
        min_length,
        pad_id,
    )
