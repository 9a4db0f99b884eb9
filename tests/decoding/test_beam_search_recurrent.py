"""Beam search over an LSTM against one written in plain Python."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import MODES
from tests.backend import compiled
from zoo.decoding import beam_search
from zoo.decoding import greedy_search

BATCH, VOCABULARY, DEPTH, UNITS, SOURCE = 3, 7, 4, 5, 6
END, START, MAX_LENGTH = 2, 0, 8
MASK = np.arange(SOURCE) < np.array([[6], [3], [4]])


class Network:
    """An LSTM cell with a dense layer over tokens and over source positions."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)

        def weight(*shape):
            return rng.normal(size=shape).astype("float32")

        self.embedding = weight(VOCABULARY, DEPTH)
        self.cell = keras.layers.LSTMCell(UNITS)
        self.cell.build((None, DEPTH))
        self.kernels = [
            weight(DEPTH, 4 * UNITS),
            2 * weight(UNITS, 4 * UNITS),
            weight(4 * UNITS),
        ]
        self.cell.set_weights(self.kernels)
        self.output = keras.layers.Dense(VOCABULARY)
        self.output.build((None, UNITS))
        self.output_weights = [
            3 * weight(UNITS, VOCABULARY),
            weight(VOCABULARY),
        ]
        self.output.set_weights(self.output_weights)
        self.memory = weight(BATCH, SOURCE, UNITS)
        self.initial_state = [weight(BATCH, UNITS), weight(BATCH, UNITS)]

    def step(self, tokens, state):
        inputs = ops.take(self.embedding, tokens, axis=0)
        output, state = self.cell(inputs, state)
        # The beams of a sentence share its memory: (B, K, U) x (B, S, U).
        queries = ops.reshape(output, (BATCH, -1, UNITS))
        scores = ops.einsum("bku,bsu->bks", queries, self.memory)
        scores = ops.where(MASK[:, None], 2 * scores, -1e9)
        alignments = ops.reshape(ops.softmax(scores), (-1, SOURCE))
        return self.output(output), state, alignments

    def reference_step(self, sentence, token, state):
        """The same for one hypothesis, in float64 and by the equations."""
        h, c = state
        kernel, recurrent_kernel, bias = self.kernels
        gates = self.embedding[token] @ kernel + h @ recurrent_kernel + bias
        i, f, g, o = np.split(gates.astype("float64"), 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        logits = h @ self.output_weights[0] + self.output_weights[1]
        log_probs = logits - np.log(np.sum(np.exp(logits)))
        scores = 2 * self.memory[sentence] @ h
        weights = np.where(MASK[sentence], np.exp(scores), 0.0)
        return log_probs, (h, c), weights / weights.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference_search(
    network, sentence, width, alpha, beta, min_length, finished_only
):
    """The best `width` as (score, log_p, ids, alignments), best first."""

    def score(log_p, ids, rows):
        covered = np.minimum(np.maximum(np.sum(rows, axis=0), 1e-6), 1.0)
        covered = np.sum(np.log(covered[MASK[sentence]]))
        return log_p / ((5 + len(ids)) / 6) ** alpha + beta * covered

    state = tuple(x[sentence] for x in network.initial_state)
    live, pool = [(0.0, [START], [], state)], []
    for length in range(1, MAX_LENGTH + 1):
        candidates = []
        for log_p, ids, rows, state in live:
            log_probs, new_state, row = network.reference_step(
                sentence, ids[-1], state
            )
            for token in range(VOCABULARY):
                candidates.append(
                    (
                        log_p + log_probs[token],
                        [*ids, token],
                        [*rows, row],
                        new_state,
                    )
                )
        candidates.sort(key=lambda candidate: -candidate[0])
        live = [x for x in candidates if x[1][-1] != END][:width]
        if finished_only and length == MAX_LENGTH:
            admitted = candidates
        else:
            admitted = candidates[: 2 * width]
        for log_p, ids, rows, _ in admitted:
            if ids[-1] == END and length >= min_length:
                ids = ids[1:]
                pool.append((score(log_p, ids, rows), log_p, ids, rows))
    if not (finished_only and pool):
        for log_p, ids, rows, _ in live:
            ids = ids[1:]
            pool.append((score(log_p, ids, rows), log_p, ids, rows))
    return sorted(pool, key=lambda hypothesis: -hypothesis[0])[:width]


SETTINGS = [
    # width, alpha, beta, min_length, finished_only
    (2, 0.0, 0.0, 0, False),
    (3, 0.6, 0.2, 0, False),
    (5, 1.0, 0.0, 3, True),
    (4, 1.3, 0.4, 2, True),
    (9, 0.8, 0.1, 0, False),
]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_search_over_an_lstm_equals_plain_python(seed, setting):
    width, alpha, beta, min_length, finished_only = setting
    network = Network(seed)

    def search():
        return beam_search(
            network.step,
            np.full(BATCH, START),
            network.initial_state,
            width,
            MAX_LENGTH,
            END,
            alpha,
            beta,
            memory_mask=MASK,
            min_length=min_length,
            finished_only=finished_only,
        )

    # as a graph on TensorFlow, not compiled by XLA
    result = compiled(search, MODES[len(MODES) // 2])()
    for sentence in range(BATCH):
        expected = reference_search(
            network, sentence, width, alpha, beta, min_length, finished_only
        )
        for rank, (score, log_p, ids, rows) in enumerate(expected):
            length = int(result.lengths[sentence, rank])
            given = np.array(result.ids[sentence, rank])
            assert given[:length].tolist() == ids
            np.testing.assert_allclose(
                [
                    result.scores[sentence, rank],
                    result.log_probs[sentence, rank],
                ],
                [score, log_p],
                atol=2e-4,
            )
            alignments = np.array(result.alignments[sentence, rank])
            np.testing.assert_allclose(alignments[:length], rows, atol=1e-3)
            assert not np.any(alignments[length:])
            assert bool(result.finished[sentence, rank]) == (ids[-1] == END)


@pytest.mark.parametrize("seed", [0, 1])
def test_greedy_search_over_an_lstm_follows_the_most_probable_token(seed):
    network = Network(seed)
    result = greedy_search(
        network.step,
        np.full(BATCH, START),
        network.initial_state,
        MAX_LENGTH,
        END,
        memory_mask=MASK,
    )
    for sentence in range(BATCH):
        token, total, ids, rows = START, 0.0, [], []
        state = tuple(x[sentence] for x in network.initial_state)
        while len(ids) < MAX_LENGTH and token != END:
            log_probs, state, row = network.reference_step(
                sentence, token, state
            )
            token = int(np.argmax(log_probs))
            total += log_probs[token]
            ids.append(token)
            rows.append(row)
        length = int(result.lengths[sentence, 0])
        assert np.array(result.ids)[sentence, 0, :length].tolist() == ids
        assert np.all(np.array(result.ids)[sentence, 0, length:] == END)
        assert bool(result.finished[sentence, 0]) == (token == END)
        np.testing.assert_allclose(
            result.log_probs[sentence, 0], total, atol=2e-4
        )
        alignments = np.array(result.alignments[sentence, 0])
        np.testing.assert_allclose(alignments[:length], rows, atol=1e-3)
        assert not np.any(alignments[length:])


def test_coverage_changes_the_score_of_finished_and_unfinished_alike():
    network = Network(0)
    arguments = (
        network.step,
        np.full(BATCH, START),
        network.initial_state,
        6,
        MAX_LENGTH,
        END,
    )
    result = beam_search(
        *arguments, coverage_penalty=0.5, memory_mask=MASK, length_penalty=1.0
    )
    result = keras.tree.map_structure(np.asarray, result)
    totals = np.sum(result.alignments, axis=2)
    covered = np.log(np.clip(totals, 1e-6, 1.0)) * MASK[:, None]
    expected = result.log_probs / (
        (5 + result.lengths) / 6
    ) + 0.5 * covered.sum(-1)
    np.testing.assert_allclose(result.scores, expected, atol=1e-5)
    assert np.any(result.finished) and not np.all(result.finished)
    assert np.all(np.diff(result.scores, axis=1) <= 0)
