"""The guide for users of tensorflow_addons names everything, and truly."""

import ast
import contextlib
import functools
import inspect
import io
import pathlib
import re

import numpy as np
import pytest
from keras import ops

import zoo

GUIDE = pathlib.Path(zoo.__file__).parents[1] / "docs"
TEXT = (GUIDE / "from_tensorflow_addons.md").read_text(encoding="utf-8")

# All public names of tensorflow_addons 0.23 in these two modules.
SEQ2SEQ = """
AttentionMechanism AttentionWrapper AttentionWrapperState BahdanauAttention
BahdanauMonotonicAttention BaseDecoder BasicDecoder BasicDecoderOutput
BeamSearchDecoder BeamSearchDecoderOutput BeamSearchDecoderState CustomSampler
Decoder FinalBeamSearchDecoderOutput GreedyEmbeddingSampler InferenceSampler
LuongAttention LuongMonotonicAttention SampleEmbeddingSampler Sampler
ScheduledEmbeddingTrainingSampler ScheduledOutputTrainingSampler SequenceLoss
TrainingSampler dynamic_decode gather_tree gather_tree_from_array hardmax
monotonic_attention safe_cumprod sequence_loss tile_batch
"""
RNN = """
ESNCell LayerNormLSTMCell LayerNormSimpleRNNCell NASCell PeepholeLSTMCell
"""
ADDONS = [f"seq2seq.{name}" for name in SEQ2SEQ.split()]
ADDONS += [f"rnn.{name}" for name in RNN.split()]

ROWS = re.findall(
    r"^\| `((?:seq2seq|rnn)\.\w+)` \| (.+?) \| (.+) \|$", TEXT, re.M
)
NAMES = sorted(set(re.findall(r"(?<![\w-])zoo((?:\.[A-Za-z]\w*)+)", TEXT)))
CALLS = sorted(
    {
        code
        for code in re.findall(r"`(zoo\.[^`]+\))`", TEXT)
        # not `Class()(arguments)`, and nothing left out
        if code.count("(") == 1 and "..." not in code
    }
)
TRAINING = "A training step"
SEARCH = "Beam search with attention"
SCHEDULED = "Scheduled sampling"


def _resolve(dotted):
    value = zoo
    for name in dotted.strip(".").split("."):
        value = getattr(value, name)
    return value


def test_every_name_of_the_addons_has_one_row_in_the_table():
    assert sorted(name for name, _, _ in ROWS) == sorted(ADDONS)


def test_a_row_names_a_place_here_or_says_what_to_do_instead():
    for name, here, notes in ROWS:
        there = re.match(r"`zoo\.\w+\.\w+", here)
        assert there or here == "not there", name
        assert len(notes) > 10, name


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_zoo_exists(name):
    assert _resolve(name) is not None


@pytest.mark.parametrize("call", CALLS)
def test_arguments_in_the_guide_are_those_of_the_code(call):
    node = ast.parse(call, mode="eval").body
    target = _resolve(ast.unparse(node.func).removeprefix("zoo"))
    if inspect.isclass(target):  # and what `**kwargs` passes on
        signatures = [inspect.signature(c.__init__) for c in target.__mro__]
    else:
        signatures = [inspect.signature(target)]
    parameters = {}
    for signature in reversed(signatures):
        parameters.update(signature.parameters)
    given = [ast.unparse(argument) for argument in node.args]
    names = [x for x in signatures[0].parameters if x != "self"]
    assert names[: len(given)] == given
    for keyword in node.keywords:
        default = parameters[keyword.arg].default
        value = ast.literal_eval(keyword.value)
        # a default, or an option that is off by default
        assert value == default or (value, default) == (True, False)


def test_links_within_the_guide_lead_somewhere():
    anchors = [
        title.lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", TEXT, re.M)
    ]
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= set(anchors)


@pytest.fixture(scope="module")
def program():
    """Function from a heading to the names of the program below it."""

    @functools.cache
    def program(heading):
        _, section = TEXT.split(f"\n## {heading}\n")
        code = re.search(r"^```python\n(.*?)^```$", section, re.M | re.S)[1]
        names, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, heading, "exec"), names)
        says = re.findall(r"^ *print\(.*\)  # (.+)$", code, re.M)
        assert says
        assert printed.getvalue().splitlines() == says
        return names

    return program


def _log_softmax(logits):
    return ops.convert_to_numpy(ops.log_softmax(logits))


def test_the_training_step_averages_over_real_tokens(program):
    names = program(TRAINING)
    model, labels, weights = (names[x] for x in ("model", "labels", "weights"))
    inputs = [names["sources"], names["inputs"]]
    nll = -np.take_along_axis(
        _log_softmax(model(inputs)), labels[..., None], axis=-1
    )[..., 0]
    loss = model.loss(labels, model(inputs), sample_weight=weights)
    expected = (nll * weights).sum() / weights.sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert 0 < names["loss"] < 2 * np.log(20)


def test_padding_of_the_source_changes_nothing(program):
    names = program(TRAINING)
    logits = names["model"]([names["sources"], names["inputs"]])
    alone = names["model"]([names["sources"][1:, :2], names["inputs"][1:, :3]])
    np.testing.assert_allclose(logits[1:, :3], alone, atol=1e-5)


def test_what_the_search_found_scores_the_same_in_training(program):
    names = program(SEARCH)
    found, decoder = names["found"], names["decoder"]
    memory, mask = names["memory"], names["memory_mask"]
    for k in range(5):
        ids = ops.convert_to_numpy(found.ids[:, k])
        lengths = ops.convert_to_numpy(found.lengths[:, k])
        inputs = np.concatenate([np.ones((2, 1), int), ids[:, :-1]], axis=1)
        real = np.arange(10) < lengths[:, None]
        outputs, alignments, _ = decoder(
            names["target_embedding"](inputs),
            memory,
            mask,
            names["state"],
            mask=real,
        )
        log_probs = np.take_along_axis(
            _log_softmax(names["output_layer"](outputs)), ids[..., None], -1
        )[..., 0]
        total = (log_probs * real).sum(axis=1)
        np.testing.assert_allclose(found.log_probs[:, k], total, rtol=1e-4)
        np.testing.assert_allclose(
            found.alignments[:, k], alignments, atol=1e-5
        )
        coverage = zoo.decoding.coverage_penalty(
            ops.sum(alignments, axis=1), mask, 0.2
        )
        scores = total / ((5 + lengths) / 6) + ops.convert_to_numpy(coverage)
        np.testing.assert_allclose(found.scores[:, k], scores, rtol=1e-4)


def test_scheduled_sampling_has_learnt_and_is_teacher_forcing_in_use(program):
    names = program(SCHEDULED)
    decoder, memory = names["decoder"], names["memory"]
    plain = zoo.layers.AttentionDecoder(
        decoder.attention_cell, decoder.output_layer
    )
    inputs, mask = names["inputs"], names["inputs"] != 0
    expected, _, _ = plain(decoder.embedding(inputs), memory, mask=mask)
    given = names["model"]([inputs, memory])
    np.testing.assert_allclose(given, expected, atol=1e-6)
    losses = names["model"].history.history["loss"]
    assert losses[-1] < losses[0]
