"""Every program in `docs` runs, prints what it says and means what it says."""

import contextlib
import functools
import io
import pathlib
import re

import keras
import numpy as np
import pytest

import zoo

DOCS = pathlib.Path(zoo.__file__).parents[1] / "docs"
BLOCK = re.compile(r"^#+ ([^\n]+)$|^```python\n(.*?)^```$", re.M | re.S)


def _blocks():
    """The programs: code by (file name, heading)."""
    blocks = {}
    for page in sorted(DOCS.glob("*.md")):
        heading = None
        for title, code in BLOCK.findall(page.read_text(encoding="utf-8")):
            heading = title or heading
            if code:
                assert (page.name, heading) not in blocks, "one per heading"
                blocks[page.name, heading] = code
    return blocks


BLOCKS = _blocks()

N_TO_N = "N → N: an output for each step"
N_TO_1 = "N → 1: one output for the whole sequence"
ONE_AT_THE_FIRST_STEP = (
    "1 → N: a sequence from one input, read at the first step"
)
ONE_AT_EVERY_STEP = "1 → N: a sequence from one input, read at every step"
CONTEXT_AS_STATE = "N → M: the context starts the decoder"
CONTEXT_AT_EVERY_STEP = "N → M: the context at every step"
ATTENTION = "N → M with attention: a context for each step"


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Function that runs a program once, in a folder of its own.

    From file name and heading to the program's names, with its folder as
    `folder` and the lines that it printed as `printed`.
    """

    @functools.cache
    def run(page, heading):
        folder = tmp_path_factory.mktemp("docs")
        names, printed = {}, io.StringIO()
        code = compile(BLOCKS[page, heading], f"{page}, {heading}", "exec")
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(code, names)
        names["folder"] = folder
        names["printed"] = printed.getvalue().splitlines()
        return names

    return run


@pytest.fixture
def shape(run):
    """Function from a heading of shapes.md to the program's names."""
    return functools.partial(run, "shapes.md")


@pytest.mark.parametrize("page, heading", BLOCKS)
def test_program_runs_and_prints_what_it_says(run, page, heading):
    code = BLOCKS[page, heading]
    says = re.findall(r"^ *print\(.*\)  # (.+)$", code, re.M)
    assert run(page, heading)["printed"] == says


def test_the_notes_shapes_are_all_there():
    assert [heading for page, heading in BLOCKS if page == "shapes.md"] == [
        N_TO_N,
        N_TO_1,
        ONE_AT_THE_FIRST_STEP,
        ONE_AT_EVERY_STEP,
        CONTEXT_AS_STATE,
        CONTEXT_AT_EVERY_STEP,
        ATTENTION,
    ]


def _value(names, tensor):
    """A symbolic tensor of a program's model for the inputs x (and y)."""
    inputs, values = names["model"].inputs, [names["x"], names.get("y")]
    if len(inputs) == 1:
        inputs, values = inputs[0], values[0]
    value = keras.Model(inputs, tensor)(values)
    return keras.ops.convert_to_numpy(value)


def _simple_rnn(layer, x):
    """The equations of a simple network in NumPy."""
    weights = layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias
    W, U, b = map(keras.ops.convert_to_numpy, weights)
    h, states = np.zeros((len(x), len(U))), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ W + h @ U + b)
        states.append(h)
    return np.stack(states, axis=1)


def _layer(names, kind):
    (layer,) = [x for x in names["model"].layers if type(x) is kind]
    return layer


def test_n_to_n_has_an_output_for_each_step(shape):
    names = shape(N_TO_N)
    states = _simple_rnn(_layer(names, zoo.layers.SimpleRNN), names["x"])
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, states, atol=1e-5)
    outputs = _value(names, names["outputs"])
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, rtol=1e-5)


def test_n_to_1_uses_the_last_state(shape):
    names = shape(N_TO_1)
    states = _simple_rnn(_layer(names, zoo.layers.SimpleRNN), names["x"])
    found = _value(names, names["last_state"])
    np.testing.assert_allclose(found, states[:, -1], atol=1e-5)


def test_one_input_at_the_first_step_then_zeros(shape):
    names = shape(ONE_AT_THE_FIRST_STEP)
    sequences = _value(names, names["sequences"])
    np.testing.assert_allclose(sequences[:, 0], names["x"], rtol=1e-6)
    assert sequences.shape == (2, 6, 4)
    assert not sequences[:, 1:].any()
    states = _simple_rnn(_layer(names, zoo.layers.SimpleRNN), sequences)
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, states, atol=1e-5)


def test_one_input_at_every_step(shape):
    names = shape(ONE_AT_EVERY_STEP)
    sequences = _value(names, names["sequences"])
    expected = np.stack([names["x"]] * 6, axis=1)
    np.testing.assert_allclose(sequences, expected, rtol=1e-6)
    states = _simple_rnn(_layer(names, zoo.layers.SimpleRNN), sequences)
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, states, atol=1e-5)


def test_context_as_state_is_all_that_the_decoder_sees_of_the_source(shape):
    names = shape(CONTEXT_AS_STATE)
    model, (h, c) = names["model"], (names["h"], names["c"])
    encoder, decoder = [
        layer for layer in model.layers if type(layer) is zoo.layers.LSTM
    ]
    _, *context = encoder(names["x"].astype("float32"))
    state = [_value(names, h), _value(names, c)]
    np.testing.assert_allclose(state, context, atol=1e-6)
    outputs = []
    for t in range(names["y"].shape[1]):
        output, state = decoder.cell(names["y"][:, t].astype("float32"), state)
        outputs.append(output)
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, np.stack(outputs, axis=1), atol=1e-5)


def test_context_at_every_step_is_concatenated_and_always_the_same(shape):
    names = shape(CONTEXT_AT_EVERY_STEP)
    contexts = _value(names, names["contexts"])
    assert np.ptp(contexts, axis=1).max() == 0.0
    context = _value(names, names["context"])
    cell = names["decoder"].cell
    state, outputs = cell.get_initial_state(batch_size=2), []
    for t in range(names["steps"]):
        joined = np.concatenate([names["y"][:, t], context], axis=-1)
        output, state = cell(joined.astype("float32"), state)
        outputs.append(output)
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, np.stack(outputs, axis=1), atol=1e-5)


def test_attention_to_one_position_is_the_context_at_every_step(shape):
    names = shape(CONTEXT_AT_EVERY_STEP)
    context = _value(names, names["context"])
    decoder = zoo.layers.AttentionDecoder(
        zoo.layers.AttentionCell(
            names["decoder"].cell,
            zoo.layers.BahdanauAttention(6),
            query="before",
            output="cell",
        )
    )
    target = names["y"].astype("float32")
    states, alignments, _ = decoder(target, context[:, None])
    np.testing.assert_allclose(alignments, np.ones((2, 6, 1)), rtol=1e-6)
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, states, atol=1e-5)


def test_with_attention_the_context_differs_between_steps(shape):
    names = shape(ATTENTION)
    memory = _value(names, names["memory"])
    alignments = keras.ops.convert_to_numpy(names["alignments"])
    np.testing.assert_allclose(alignments.sum(axis=-1), 1.0, rtol=1e-5)
    contexts = alignments @ memory
    assert np.abs(np.diff(contexts, axis=1)).max(axis=-1).min() > 1e-5
    # The cell reads [y_{t-1}; c_t], and these contexts give the states.
    state, outputs = names["cell"].cell.get_initial_state(batch_size=2), []
    for t in range(names["y"].shape[1]):
        joined = np.concatenate([names["y"][:, t], contexts[:, t]], axis=-1)
        output, state = names["cell"].cell(joined.astype("float32"), state)
        outputs.append(output)
    found = _value(names, names["states"])
    np.testing.assert_allclose(found, np.stack(outputs, axis=1), atol=1e-5)


def test_the_figure_in_the_docs_is_the_one_that_the_program_draws(run):
    names = run("seeing_inside.md", "How far back the gradient reaches")
    simple, usual, open_gate = names["norms"].values()
    # what the page says of the picture
    assert simple[0] < 0.1 * usual[0] < 1e-3 * open_gate[0]
    for folder in (names["folder"] / "docs", DOCS):
        assert 1000 < (folder / "gradient_norms.png").stat().st_size < 100_000
