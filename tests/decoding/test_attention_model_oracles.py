"""Decoding with attention against TensorFlow Addons and NumPy.

Greedy search and given tokens have to equal what TensorFlow Addons did. Its
beam search has another rule (`zoo.decoding.beam_search` says which is ours),
so that the hypotheses are those of a beam search in NumPy, in double
precision, on the model of the oracle.
"""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import numpy_of
from tests.backend import tensors
from zoo.decoding import beam_search
from zoo.decoding import greedy_search
from zoo.layers import AttentionCell
from zoo.layers import AttentionDecoder
from zoo.layers import BahdanauAttention
from zoo.layers import LSTMCell
from zoo.layers import LuongAttention

models = pytest.mark.parametrize(
    "name", ["g3_model0_luong", "g3_model1_bahdanau"]
)
SETTINGS = [
    (width, alpha, beta)
    for width in (1, 3, 5)
    for alpha in ("0", "0.6", "1")
    for beta in ("0", "0.2")
]
WEIGHTS = {
    "memory_kernel": "memory_kernel",
    "query_kernel": "query_kernel",
    "v": "attention_v",
    "b": "attention_b",
    "g": "attention_g",
}


def decoder_of(arrays):
    """The oracle's network up to the logits."""
    units = arrays["h0"].shape[1]
    mechanism = LuongAttention(scale=True)
    if "query_kernel" in arrays:
        mechanism = BahdanauAttention(arrays["attention_v"].size, True)
    cell = AttentionCell(
        LSTMCell(units), mechanism, arrays["attention_kernel"].shape[1]
    )
    logits = keras.layers.Dense(arrays["output_bias"].size)
    decoder = AttentionDecoder(cell, logits)
    embedded = arrays["embedding"].shape[1]
    decoder.build((None, None, embedded), arrays["memory"].shape)
    for name in ("kernel", "recurrent_kernel", "bias"):
        getattr(cell.cell, name).assign(arrays[f"cell_{name}"])
    for name, key in WEIGHTS.items():
        if key in arrays:
            getattr(mechanism, name).assign(arrays[key])
    cell.attention_kernel.assign(arrays["attention_kernel"])
    logits.kernel.assign(arrays["output_kernel"])
    logits.bias.assign(arrays["output_bias"])
    return decoder


def search_of(arrays, search, **options):
    """The result of a search with the oracle's network."""
    decoder = decoder_of(arrays)
    memory, mask, embedding = tensors(
        [arrays[key] for key in ("memory", "mask", "embedding")]
    )
    keys = decoder.project(memory)
    rows = len(arrays["memory"])

    def step(tokens, state):
        (logits, alignments), state = decoder.step(
            ops.take(embedding, tokens, axis=0), state, memory, keys, mask
        )
        return logits, state, alignments

    return search(
        step,
        [int(arrays["sos"])] * rows,
        decoder.get_initial_state(
            rows, memory, tensors([arrays["h0"], arrays["c0"]])
        ),
        max_length=int(arrays["max_iterations"]),
        end_id=int(arrays["eos"]),
        memory_mask=mask,
        **options,
    )


def model_of(arrays, sentence):
    """The step of one sentence in NumPy, and its first state."""
    w = {key: np.float64(x) for key, x in arrays.items() if "__" not in key}
    real = arrays["mask"][sentence]
    memory = w["memory"][sentence][real]
    keys = memory @ w["memory_kernel"]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def log_softmax(x):
        return x - np.logaddexp.reduce(x)

    def scores(query):
        if "query_kernel" not in w:
            return w["attention_g"] * keys @ query
        hidden = np.tanh(keys + query @ w["query_kernel"] + w["attention_b"])
        v = w["attention_v"] / np.linalg.norm(w["attention_v"])
        return w["attention_g"] * hidden @ v

    def step(token, state):
        h, c, attention = state
        x = np.concatenate([w["embedding"][token], attention])
        z = x @ w["cell_kernel"] + h @ w["cell_recurrent_kernel"]
        i, f, g, o = np.split(z + w["cell_bias"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        alignments = np.zeros(len(real))
        alignments[real] = np.exp(log_softmax(scores(h)))
        joined = np.concatenate([h, alignments[real] @ memory])
        attention = joined @ w["attention_kernel"]
        logits = attention @ w["output_kernel"] + w["output_bias"]
        return log_softmax(logits), (h, c, attention), alignments

    width = w["attention_kernel"].shape[1]
    return step, (w["h0"][sentence], w["c0"][sentence], np.zeros(width))


def pool_search(arrays, sentence, width, alpha, beta):
    """The rule of `zoo.decoding.beam_search`, one hypothesis at a time.

    Returns:
        List of `(score, log_prob, ids, alignments)`, best first.
    """
    step, state = model_of(arrays, sentence)
    start, end = int(arrays["sos"]), int(arrays["eos"])
    real, longest = arrays["mask"][sentence], int(arrays["max_iterations"])

    def ranked(hypotheses):
        return sorted(hypotheses, key=lambda x: -x[0])

    def scored(log_p, ids, rows, state):
        score = log_p / ((5 + len(ids)) / 6) ** alpha
        if beta:
            total = np.sum(rows, axis=0)[real]
            score += beta * np.sum(np.log(np.minimum(total, 1)))
        return score, log_p, ids, np.array(rows)

    # A beam of one is greedy search: what ends leaves nothing to continue.
    kept = 2 * width if width > 1 else 1
    live, pool = [(0.0, [], [], state)], []
    for _ in range(longest):
        candidates = []
        for log_p, ids, rows, state in live:
            row, new, seen = step(ids[-1] if ids else start, state)
            candidates += [
                (log_p + gain, [*ids, token], [*rows, seen], new)
                for token, gain in enumerate(row)
            ]
        candidates = ranked(candidates)[:kept]
        pool += [scored(*x) for x in candidates if x[1][-1] == end]
        live = [x for x in candidates if x[1][-1] != end][:width]
    return ranked(pool + [scored(*x) for x in live])[:width]


@models
def test_logits_of_given_tokens_match_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    inputs = arrays["embedding"][arrays["tf_inputs"]]
    state = [arrays["h0"], arrays["c0"]]
    real = np.arange(inputs.shape[1]) < arrays["tf_lengths"][:, None]
    decoder = decoder_of(arrays)

    def run(mask):
        return decoder(
            *tensors([inputs, arrays["memory"], arrays["mask"], state, mask])
        )

    logits = numpy_of(run(None)[0])
    np.testing.assert_allclose(logits, arrays["tf_logits"], atol=2e-3)
    np.testing.assert_array_equal(
        logits.argmax(axis=-1), arrays["tf_sample_ids"]
    )
    logits, _, state = run(real)
    np.testing.assert_allclose(
        numpy_of(logits), arrays["tf_imputed_logits"], atol=2e-3
    )
    for part, key in zip(state.cell, "hc", strict=True):
        np.testing.assert_allclose(
            numpy_of(part), arrays[f"tf_imputed_{key}"], atol=5e-4
        )


@models
def test_greedy_search_matches_tensorflow_addons(name, oracle):
    arrays = oracle(name)
    found = search_of(arrays, greedy_search)
    lengths = numpy_of(found.lengths)[:, 0]
    np.testing.assert_array_equal(lengths, arrays["greedy_lengths"])
    for ids, length, others, logits, log_prob in zip(
        numpy_of(found.ids)[:, 0],
        lengths,
        arrays["greedy_ids"],
        np.float64(arrays["greedy_logits"]),
        numpy_of(found.log_probs)[:, 0],
        strict=True,
    ):
        np.testing.assert_array_equal(ids[:length], others[:length])
        gains = np.max(logits, -1) - np.logaddexp.reduce(logits, -1)
        np.testing.assert_allclose(log_prob, gains[:length].sum(), atol=1e-3)


@models
@pytest.mark.parametrize(("width", "alpha", "beta"), SETTINGS)
def test_beam_search_equals_its_rule_in_numpy(name, width, alpha, beta, oracle):
    arrays = oracle(name)
    end, longest = int(arrays["eos"]), int(arrays["max_iterations"])
    found = search_of(
        arrays,
        beam_search,
        beam_width=width,
        length_penalty=float(alpha),
        coverage_penalty=float(beta),
    )
    for sentence in range(len(arrays["memory"])):
        expected = pool_search(
            arrays, sentence, width, float(alpha), float(beta)
        )
        for place, (score, log_p, ids, rows) in enumerate(expected):
            got = [numpy_of(x[sentence, place]) for x in found]
            count = len(ids)
            padding = [end] * (longest - count)
            np.testing.assert_array_equal(got[0], [*ids, *padding])
            np.testing.assert_allclose(got[1:3], [score, log_p], atol=1e-3)
            assert (got[3], got[4]) == (count, ids[-1] == end)
            np.testing.assert_allclose(got[5][:count], rows, atol=5e-4)
            assert not np.any(got[5][count:])
    if beta == "0":
        # A frozen beam charges coverage while hypotheses grow; without it a
        # pool loses nothing to one, and a beam of one is the same.
        assert_no_worse(found, arrays, f"k{width}_a{alpha}_c0__clean_", width)


def assert_no_worse(found, arrays, clean, width):
    scores = arrays[clean + "scores"][:, 0]
    best = numpy_of(found.scores)[:, 0]
    assert np.all(best >= scores - 1e-3)
    if width == 1:
        final = arrays[clean + "final"][:, :, 0]
        ids = numpy_of(found.ids)[:, 0]
        np.testing.assert_array_equal(ids[:, : final.shape[1]], final)
        np.testing.assert_allclose(best, scores, atol=1e-3)
