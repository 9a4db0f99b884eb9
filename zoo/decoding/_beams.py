"""The state of a beam search, and how a step changes it."""

from typing import Any
from typing import NamedTuple

from keras import ops

from zoo.decoding import _arguments
from zoo.decoding import penalties
from zoo.decoding._step_function import StepFunction
from zoo.decoding.search_result import BeamSearchResult
from zoo.ops.backend import load_backend


class Beams(NamedTuple):
    """Where the search stands: `K` live beams and a pool of `R` results.

    A path is a hypothesis as `max_length` integers, each `row * V + token`, -1
    after its end. The row says which of the `K` beams the token came from, and
    so which row of the alignments is its own.
    """

    time: Any  # () int32: tokens chosen so far.
    tokens: Any  # (B * K,) int32: the last ones.
    leaves: list  # Of (B * K, ...): the state.
    log_probs: Any  # (B, K) float32, best first; -inf: no such hypothesis.
    paths: Any  # (B, K, max_length) int32.
    pool_scores: Any  # (B, R) float32, best first; -inf: still empty.
    pool_log_probs: Any  # (B, R) float32.
    pool_paths: Any  # (B, R, max_length) int32.
    totals: list  # Of (B * K, S) float32: attention so far, for the coverage.
    history: list  # Of (max_length, B * K, S): alignments as the step ran.


class BeamUpdates:
    """One call of `beam_search`: what does not change from step to step."""

    def __init__(
        self,
        step,
        initial_tokens,
        initial_state,
        memory_mask,
        beam_width,
        num_results,
        finished_only,
        max_length,
        end_id,
        length_penalty,
        coverage_penalty,
        min_length,
        pad_id,
    ):
        self.initial_tokens = initial_tokens
        self.initial_leaves = _arguments.check_state(
            initial_state, initial_tokens.shape[0]
        )
        self.step = StepFunction(
            step, initial_state, end_id, memory_mask, coverage_penalty > 0
        )
        self.memory_mask = memory_mask
        self.beam_width = beam_width
        self.num_results = num_results
        self.finished_only = finished_only
        self.max_length = max_length
        self.end_id = end_id
        self.coverage_penalty = coverage_penalty
        self.min_length = min_length
        self.pad_id = pad_id
        self.batch_size = ops.shape(initial_tokens)[0]
        self.sentences = ops.arange(self.batch_size, dtype="int32")[:, None]
        self.positions = ops.arange(max_length, dtype="int32")
        # What a log-probability is divided by at 1, 2, ... max_length tokens.
        self.penalties = penalties.length_penalty(
            self.positions + 1, length_penalty
        )
        self.largest_penalty = ops.max(self.penalties)

    def start(self):
        """The beams after their first step.

        It stands outside the loop: only its results tell how wide vocabulary
        and alignments are.
        """
        batch_size, beam_width = self.batch_size, self.beam_width
        leaves = [
            ops.repeat(x, beam_width, axis=0) for x in self.initial_leaves
        ]
        # All beams are equal now, and only the first is to be continued.
        first = ops.arange(beam_width) == 0
        log_probs = ops.where(first, 0.0, -float("inf"))
        pool_scores = ops.full(
            (batch_size, self.num_results), -float("inf"), "float32"
        )
        beams = Beams(
            time=ops.zeros((), "int32"),
            tokens=ops.repeat(self.initial_tokens, beam_width, axis=0),
            leaves=leaves,
            log_probs=ops.broadcast_to(
                ops.cast(log_probs, "float32"), (batch_size, beam_width)
            ),
            paths=ops.full(
                (batch_size, beam_width, self.max_length), -1, "int32"
            ),
            pool_scores=pool_scores,
            pool_log_probs=pool_scores,
            pool_paths=ops.full(
                (batch_size, self.num_results, self.max_length), -1, "int32"
            ),
            totals=[],
            history=[],
        )
        logits, leaves, alignments = self.step(beams.tokens, beams.leaves)
        self.vocabulary = logits.shape[1]
        if alignments is not None:
            rows, width = ops.shape(alignments)
            history = ops.zeros(
                (self.max_length, rows, width), dtype=alignments.dtype
            )
            beams = beams._replace(history=[history])
            if self.coverage_penalty > 0:
                beams = beams._replace(
                    totals=[ops.zeros((rows, width), "float32")]
                )
        return self.select(beams, logits, leaves, alignments)

    def goes_on(self, *beams):
        """Whether any sentence can still get a better result."""
        beams = Beams(*beams)
        reachable = beams.log_probs[:, 0] / self.largest_penalty
        better = reachable > beams.pool_scores[:, -1]
        return ops.logical_and(beams.time < self.max_length, ops.any(better))

    def advance(self, *beams):
        """Runs the step function and selects what lives on."""
        beams = Beams(*beams)
        return self.select(beams, *self.step(beams.tokens, beams.leaves))

    def select(self, beams, logits, leaves, alignments):
        """Puts ended hypotheses into the pool, keeps the best of the others."""
        if alignments is not None:
            now = (self.positions == beams.time)[:, None, None]
            history = [ops.where(now, alignments, x) for x in beams.history]
            totals = [x + ops.cast(alignments, x.dtype) for x in beams.totals]
            beams = beams._replace(history=history, totals=totals)
        # The best of each row are enough, (B * K, V) -> (B * K, N): no copy of
        # the logits as log-probabilities is needed.
        normalizer = ops.logsumexp(logits, axis=-1)
        # A row of nothing but -inf has no distribution: -inf - -inf = NaN.
        normalizer = ops.where(normalizer == -float("inf"), 0.0, normalizer)
        offsets = ops.reshape(beams.log_probs, (-1,)) - normalizer
        width = min(2 * self.beam_width, self.vocabulary)
        best, tokens = load_backend().top_k(logits, width)
        candidates = self.split(best + offsets[:, None], flatten=True)
        rows = ops.arange(self.beam_width, dtype="int32")[:, None]
        paths = self.split(ops.cast(tokens, "int32")) + rows * self.vocabulary
        paths = ops.reshape(paths, ops.shape(candidates))
        # (B, K * N) -> (B, 2 K): at most K of them end, so K others remain.
        log_probs, picks = load_backend().top_k(
            candidates, min(2 * self.beam_width, self.beam_width * width)
        )
        paths = self.gather(paths, picks)

        ends = self.split(logits[:, self.end_id] + offsets)
        pool = self.merge(beams, ends, worst=log_probs[:, -1:])

        ended = paths % self.vocabulary == self.end_id
        log_probs, picks = load_backend().top_k(
            ops.where(ended, -float("inf"), log_probs), self.beam_width
        )
        paths = self.gather(paths, picks)
        parents = paths // self.vocabulary
        rows = self.flat_rows(parents, self.beam_width)
        now = self.positions == beams.time
        return Beams(
            beams.time + 1,
            ops.reshape(paths % self.vocabulary, (-1,)),
            [ops.take(x, rows, axis=0) for x in leaves],
            log_probs,
            ops.where(
                now, paths[:, :, None], self.gather(beams.paths, parents)
            ),
            *pool,
            [ops.take(x, rows, axis=0) for x in beams.totals],
            beams.history,
        )

    def merge(self, beams, ends, worst):
        """The pool with the hypotheses that end now.

        Args:
            beams: the `Beams` before they are continued.
            ends: `(B, K)`, the log-probability of each with the end token.
            worst: `(B, 1)`, the least that a hypothesis needs to be admitted.

        Returns:
            The new `pool_scores`, `pool_log_probs` and `pool_paths`.
        """
        admitted = ends >= worst
        if self.finished_only:
            # Those that go on past the last step are no use: let all end.
            last = beams.time + 1 == self.max_length
            admitted = ops.logical_or(admitted, last)
        if self.min_length > 1:
            long_enough = beams.time + 1 >= self.min_length
            admitted = ops.logical_and(admitted, long_enough)
        scores = ends / ops.take(self.penalties, beams.time)
        scores = ops.where(admitted, self.covered(scores, beams), -float("inf"))
        scores, picks = load_backend().top_k(
            ops.concatenate([beams.pool_scores, scores], axis=1),
            self.num_results,
        )
        log_probs = self.gather(
            ops.concatenate([beams.pool_log_probs, ends], axis=1), picks
        )
        paths = self.gather(
            ops.concatenate([beams.pool_paths, beams.paths], axis=1), picks
        )
        parents = picks - self.num_results
        write = ops.logical_and(
            parents[:, :, None] >= 0, self.positions == beams.time
        )
        end = parents * self.vocabulary + self.end_id
        return scores, log_probs, ops.where(write, end[:, :, None], paths)

    def finish(self, beams):
        """The results: the pool, and what is unfinished at `max_length`."""
        # If the loop has stopped sooner, no live hypothesis can reach the pool.
        scores = self.covered(beams.log_probs / self.penalties[-1], beams)
        if self.finished_only:
            any_finished = beams.pool_scores[:, :1] > -float("inf")
            scores = ops.where(any_finished, -float("inf"), scores)
        scores, picks = load_backend().top_k(
            ops.concatenate([beams.pool_scores, scores], axis=1),
            self.num_results,
        )
        exists = scores > -float("inf")
        log_probs = self.gather(
            ops.concatenate([beams.pool_log_probs, beams.log_probs], axis=1),
            picks,
        )
        paths = self.gather(
            ops.concatenate([beams.pool_paths, beams.paths], axis=1), picks
        )
        paths = ops.where(exists[:, :, None], paths, -1)
        real = paths >= 0
        tokens = paths % self.vocabulary
        ended = ops.logical_and(real, tokens == self.end_id)
        return BeamSearchResult(
            ids=ops.where(real, tokens, self.pad_id),
            scores=scores,
            log_probs=ops.where(exists, log_probs, -float("inf")),
            lengths=ops.sum(ops.cast(real, "int32"), axis=-1),
            finished=ops.any(ended, axis=-1),
            alignments=self.alignments(beams.history, paths, real),
        )

    def alignments(self, history, paths, real):
        """`(B, R, max_length, S)`: the rows that the paths name."""
        if not history:
            return None
        shape = ops.shape(history[0])
        rows = self.flat_rows(paths // self.vocabulary, self.beam_width, False)
        rows = self.positions * shape[1] + rows
        history = ops.reshape(history[0], (shape[0] * shape[1], shape[2]))
        chosen = take_rows(history, ops.where(real, rows, 0))
        return ops.where(real[..., None], chosen, ops.zeros_like(chosen))

    def covered(self, scores, beams):
        """Adds the coverage penalty to the scores `(B, K)` of the beams."""
        if not beams.totals:
            return scores
        return scores + penalties.coverage_penalty(
            self.split(beams.totals[0]), self.memory_mask, self.coverage_penalty
        )

    def split(self, x, flatten=False):
        """`(B * K, ...)` -> `(B, K, ...)`, or `(B, K * N)` if to be flat."""
        shape = (self.batch_size, self.beam_width, *ops.shape(x)[1:])
        if flatten:
            shape = (shape[0], shape[1] * shape[2])
        return ops.reshape(x, shape)

    def flat_rows(self, indices, width, flatten=True):
        """Indices `(B, ...)` within a sentence as rows of the whole batch."""
        sentences = self.sentences
        while ops.ndim(sentences) < ops.ndim(indices):
            sentences = sentences[..., None]
        rows = indices + sentences * width
        return ops.reshape(rows, (-1,)) if flatten else rows

    def gather(self, x, indices):
        """Picks `(B, M)` of each sentence's `(B, N, ...)`."""
        shape = ops.shape(x)
        x = ops.reshape(x, (shape[0] * shape[1], *shape[2:]))
        return take_rows(x, self.flat_rows(indices, shape[1], flatten=False))


def take_rows(x, indices):
    """Rows of `(N, ...)` at indices of any shape; N may be 0.

    JAX forgets the shape of the indices where there is nothing to take.
    """
    taken = ops.take(x, ops.reshape(indices, (-1,)), axis=0)
    return ops.reshape(taken, (*ops.shape(indices), *ops.shape(x)[1:]))
