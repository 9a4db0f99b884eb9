"""The loop of searches that follow one hypothesis a sentence."""

from typing import Any
from typing import NamedTuple

from keras import ops

from zoo.decoding import _arguments
from zoo.decoding import penalties
from zoo.decoding._step_function import StepFunction
from zoo.decoding.search_result import BeamSearchResult


class _Progress(NamedTuple):
    """Where the search stands, for `B` sentences."""

    time: Any  # () int32: tokens chosen so far.
    tokens: Any  # (B,) int32: the last ones.
    leaves: list  # Of (B, ...): the state.
    log_probs: Any  # (B,) float32.
    ids: Any  # (B, max_length) int32.
    lengths: Any  # (B,) int32: frozen at the end token.
    finished: Any  # (B,) bool.
    history: list  # Of (max_length, B, S): the alignments, if there are any.


def follow(
    pick,
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
):
    """Takes one token a step, as `pick` says, until the end token.

    Args:
        pick: function `pick(logits, time)` of float32 `(B, V)`, `-inf` where
            a token must not be taken, and of the number of tokens taken so
            far, an int32 scalar; returns int32 tokens `(B,)`.

    The other arguments, the result and the errors are those of
    `zoo.decoding.greedy_search`.
    """
    pad_id = _arguments.check_options(
        max_length, end_id, length_penalty, coverage_penalty, min_length, pad_id
    )
    tokens = _arguments.check_tokens(initial_tokens)
    memory_mask = _arguments.check_memory_mask(memory_mask)
    leaves = _arguments.check_state(initial_state, tokens.shape[0])
    step = StepFunction(
        step, initial_state, end_id, memory_mask, coverage_penalty > 0
    )
    batch_size = ops.shape(tokens)[0]
    rows = ops.arange(batch_size, dtype="int32")
    positions = ops.arange(max_length, dtype="int32")

    def choose(progress, logits, leaves, alignments):
        time = progress.time
        normalizer = ops.logsumexp(logits, axis=-1)
        if min_length > 1:
            too_early = ops.logical_and(
                ops.arange(logits.shape[1]) == end_id, time + 1 < min_length
            )
            logits = ops.where(too_early, -float("inf"), logits)
        chosen = pick(logits, time)
        best = ops.take(
            ops.reshape(logits, (batch_size * logits.shape[1],)),
            rows * logits.shape[1] + chosen,
        )
        # A row of nothing but -inf has no distribution: its sentence is dead.
        gain = ops.where(best == -float("inf"), best, best - normalizer)
        running = ops.logical_not(progress.finished)
        write = ops.logical_and(running[:, None], positions == time)
        now = (positions == time)[:, None, None]
        history = [ops.where(now, alignments, x) for x in progress.history]
        return _Progress(
            time=time + 1,
            tokens=ops.where(running, chosen, end_id),
            leaves=leaves,
            log_probs=ops.where(
                running, progress.log_probs + gain, progress.log_probs
            ),
            ids=ops.where(write, chosen[:, None], progress.ids),
            lengths=progress.lengths + ops.cast(running, "int32"),
            finished=ops.logical_or(progress.finished, chosen == end_id),
            history=history,
        )

    def goes_on(*progress):
        progress = _Progress(*progress)
        alive = ops.logical_and(
            ops.logical_not(progress.finished),
            progress.log_probs > -float("inf"),
        )
        return ops.logical_and(progress.time < max_length, ops.any(alive))

    def advance(*progress):
        progress = _Progress(*progress)
        return choose(progress, *step(progress.tokens, progress.leaves))

    # The first step stands outside the loop: only its results tell how wide
    # the alignments are.
    logits, leaves, alignments = step(tokens, leaves)
    history = []
    if alignments is not None:
        shape = (max_length, batch_size, ops.shape(alignments)[1])
        history = [ops.zeros(shape, dtype=alignments.dtype)]
    start = _Progress(
        time=ops.zeros((), "int32"),
        tokens=tokens,
        leaves=leaves,
        log_probs=ops.zeros((batch_size,), "float32"),
        ids=ops.full((batch_size, max_length), pad_id, "int32"),
        lengths=ops.zeros((batch_size,), "int32"),
        finished=ops.zeros((batch_size,), "bool"),
        history=history,
    )
    first = choose(start, logits, leaves, alignments)
    end = _Progress(*ops.while_loop(goes_on, advance, first))

    exists = end.log_probs > -float("inf")
    lengths = ops.where(exists, end.lengths, 0)
    real = positions < lengths[:, None]
    scores = end.log_probs / penalties.length_penalty(
        ops.maximum(lengths, 1), length_penalty
    )
    alignments = None
    if end.history:
        alignments = ops.transpose(end.history[0], (1, 0, 2))
        alignments = ops.where(
            real[:, :, None], alignments, ops.zeros_like(alignments)
        )
    if coverage_penalty > 0:
        totals = ops.sum(ops.cast(alignments, "float32"), axis=1)
        scores = scores + penalties.coverage_penalty(
            totals, memory_mask, coverage_penalty
        )
    return BeamSearchResult(
        ids=ops.where(real, end.ids, pad_id)[:, None],
        scores=scores[:, None],
        log_probs=end.log_probs[:, None],
        lengths=lengths[:, None],
        finished=ops.logical_and(end.finished, exists)[:, None],
        alignments=None if alignments is None else alignments[:, None],
    )
