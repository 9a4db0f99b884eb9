"""Tests of what every attention mechanism promises."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.backend import dtype_of
from tests.backend import gradients
from tests.backend import numpy_of
from tests.backend import of_any_size
from tests.backend import tensors
from tests.backend import with_gradients
from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.bahdanau_attention import BahdanauAttention
from zoo.layers.bahdanau_monotonic_attention import BahdanauMonotonicAttention
from zoo.layers.coverage_attention import CoverageAttention
from zoo.layers.local_attention import LocalAttention
from zoo.layers.luong_attention import LuongAttention
from zoo.layers.luong_monotonic_attention import LuongMonotonicAttention
from zoo.ops.attention import dot_score
from zoo.ops.attention import masked_softmax

# Query and memory of one depth, so that every mechanism takes them.
BATCH, TIME, SOURCE, DEPTH = 3, 4, 7, 5

MECHANISMS = {
    "bahdanau": lambda **k: BahdanauAttention(6, **k),
    "normalized": lambda **k: BahdanauAttention(6, normalize=True, **k),
    "dot": lambda **k: LuongAttention(score="dot", **k),
    "general": lambda **k: LuongAttention(scale=True, **k),
    "concat": lambda **k: LuongAttention(6, score="concat", **k),
    "location": lambda **k: LuongAttention(
        score="location", max_source_length=9, **k
    ),
    "local-m": lambda **k: LocalAttention("monotonic", 3, **k),
    "local-p": lambda **k: LocalAttention("predictive", 3, **k),
    "monotonic": lambda **k: BahdanauMonotonicAttention(6, **k),
    "monotonic hard": lambda **k: LuongMonotonicAttention(mode="hard", **k),
    "monotonic loop": lambda **k: LuongMonotonicAttention(
        mode="recursive", **k
    ),
    "coverage": lambda **k: CoverageAttention(6, **k),
    "sparse": lambda **k: LuongAttention(probability="sparsemax", **k),
}
MONOTONIC = ("monotonic", "monotonic hard", "monotonic loop")
# Those that carry a state from step to step.
STATEFUL = (*MONOTONIC, "local-m", "coverage")
# Those whose alignments may sum to less than one.
PARTIAL = (*MONOTONIC, "local-p")
TOLERANCES = {"float32": 1e-6, "mixed_float16": 4e-3, "mixed_bfloat16": 4e-2}


def every_mechanism_but(*names):
    return pytest.mark.parametrize(
        "make",
        [
            pytest.param(make, id=name)
            for name, make in MECHANISMS.items()
            if name not in names
        ],
    )


every_mechanism = every_mechanism_but()


@keras.saving.register_keras_serializable(package="zoo_tests")
def flat(scores, mask):
    """All real positions and, wrongly, the padding too."""
    return keras.ops.ones_like(scores) / SOURCE


@pytest.fixture
def query():
    rng = np.random.default_rng(1)
    return rng.normal(size=(BATCH, TIME, DEPTH)).astype("float32")


@pytest.fixture
def memory():
    rng = np.random.default_rng(2)
    return rng.normal(size=(BATCH, SOURCE, DEPTH)).astype("float32")


@pytest.fixture
def mask():
    # Padding left, right and between; row 2 is all padding.
    return np.array([[0, 1, 1, 0, 1, 0, 0], [1] * 7, [0] * 7], bool)


@every_mechanism_but(*PARTIAL)
def test_alignments_sum_to_one(make, query, memory, mask):
    alignments = numpy_of(make()(query, memory, mask=mask)[1])
    np.testing.assert_allclose(alignments[:2].sum(-1), 1, atol=1e-6)


@every_mechanism
def test_alignments_are_zero_on_padding_and_weigh_the_memory(
    make, query, memory, mask
):
    context, alignments = make()(query, memory, mask=mask)
    alignments = numpy_of(alignments)
    assert np.any(alignments[:2]) and alignments.min() >= 0
    assert (alignments.transpose(0, 2, 1)[~mask] == 0).all()
    expected = np.einsum("bts,bsd->btd", alignments, memory)
    np.testing.assert_allclose(context, expected, atol=1e-6)


@every_mechanism
def test_row_of_padding_reads_nothing(make, query, memory, mask):
    layer = make()
    layer.build(query.shape, memory.shape)

    def loss(memory):
        outputs = layer(query, memory, mask=mask)
        return sum(ops.sum(x**2) for x in outputs), outputs

    outputs, found = with_gradients(loss, [memory], layer.trainable_weights)
    for x in (*outputs, found[0]):
        assert not np.any(numpy_of(x)[2])
    assert all(np.isfinite(numpy_of(x)).all() for x in found)


@every_mechanism
@pytest.mark.parametrize("garbage", [1e9, np.inf, np.nan])
def test_what_stands_at_padding_is_not_used(make, garbage, query, memory, mask):
    layer = make()
    expected = layer(query, memory, mask=mask)
    memory[~mask] = garbage
    context, alignments = layer(query, memory, mask=mask)
    np.testing.assert_array_equal(context, expected[0])
    np.testing.assert_array_equal(alignments, expected[1])
    found = gradients(
        lambda memory: ops.sum(layer(query, memory, mask=mask)[0] ** 2),
        [memory],
        layer.trainable_weights,
    )
    assert all(np.isfinite(x).all() for x in found)


@every_mechanism_but(*STATEFUL)
def test_time_axis_of_the_query_is_one_query_after_the_other(
    make, query, memory, mask
):
    layer = make()
    context, alignments = layer(query, memory, mask=mask)
    for t in range(TIME):
        one = layer(query[:, t], memory, mask=mask)
        assert [len(x.shape) for x in one] == [2, 2]
        np.testing.assert_allclose(one[0], context[:, t], atol=1e-6)
        np.testing.assert_allclose(one[1], alignments[:, t], atol=1e-6)


# Columns of "location" belong to indices, and gaps shift these.
@every_mechanism_but("location")
def test_sentence_alone_is_read_as_in_a_batch(make, query, memory, mask):
    layer = make()
    context, alignments = layer(query, memory, mask=mask)
    real = mask[0]
    alone = layer(query[:1], memory[:1, real])
    np.testing.assert_allclose(alone[0], context[:1], atol=1e-6)
    np.testing.assert_allclose(
        alone[1], numpy_of(alignments)[:1, :, real], atol=1e-6
    )


@every_mechanism_but(*STATEFUL)
def test_attend_on_projected_keys_is_the_layer(make, query, memory, mask):
    layer = make()
    expected = layer(query, memory, mask=mask)
    keys = layer.project(memory)
    context, alignments, state = layer.attend(query, keys, memory, mask)
    np.testing.assert_allclose(context, expected[0], atol=1e-6)
    np.testing.assert_allclose(alignments, expected[1], atol=1e-6)
    assert state == ()


@every_mechanism
@pytest.mark.parametrize("policy", TOLERANCES)
def test_dtype_policies_agree_inside_and_outside_of_a_call(
    make, policy, query, memory, mask
):
    exact = make()
    exact.build(query.shape, memory.shape)
    layer = make(dtype=policy)
    layer.build(query.shape, memory.shape)
    layer.set_weights(exact.get_weights())
    query = query[:, 0]
    expected = exact(query, memory, mask=mask)
    keys = layer.project(memory)
    for results in (
        layer(query, memory, mask=mask),
        layer.attend(query, keys, memory, mask)[:2],
    ):
        for result, truth in zip(results, expected, strict=True):
            assert dtype_of(result) == layer.compute_dtype
            np.testing.assert_allclose(
                numpy_of(result), truth, atol=TOLERANCES[policy]
            )


@every_mechanism
def test_xla_with_dynamic_shapes_agrees(make, query, memory, mask):
    layer = make()
    expected = layer(query, memory, mask=mask)
    given = of_any_size(
        lambda query, memory, mask: layer(query, memory, mask=mask),
        [query, memory, mask],
        [(None, None, DEPTH), (None, None, DEPTH), (None, None)],
        mode="xla",
    )
    for result, truth in zip(given, expected, strict=True):
        np.testing.assert_allclose(result, truth, atol=1e-5)


@every_mechanism
def test_empty_batch_gives_an_empty_result(make, query, memory, mask):
    layer = make()
    context, alignments = layer(query[:0], memory[:0], mask=mask[:0])
    assert tuple(context.shape) == (0, TIME, DEPTH)
    assert tuple(alignments.shape) == (0, TIME, SOURCE)


@every_mechanism
@pytest.mark.parametrize("time", [(), (None,)], ids=["step", "sequence"])
def test_functional_model_survives_keras_file(
    make, time, query, memory, mask, tmp_path
):
    inputs = [
        keras.Input((*time, DEPTH)),
        keras.Input((None, DEPTH)),
        keras.Input((None,), dtype="bool"),
    ]
    outputs = make()(*inputs)
    assert tuple(outputs[0].shape) == (None, *time, DEPTH)
    assert tuple(outputs[1].shape) == (None, *time, None)
    model = keras.Model(inputs, outputs)
    query = query if time else query[:, 0]
    expected = model([query, memory, mask])
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    for result, truth in zip(
        reloaded([query, memory, mask]), expected, strict=True
    ):
        np.testing.assert_array_equal(result, truth)


def test_mask_of_the_memory_is_taken_from_keras(query, memory, mask):
    layer = BahdanauAttention(6)
    expected = layer(query, memory, mask=mask)
    tensor = tensors(memory)
    tensor._keras_mask = tensors(mask)
    context, alignments = layer(query, tensor)
    np.testing.assert_array_equal(context, expected[0])
    np.testing.assert_array_equal(alignments, expected[1])


def test_explicit_mask_wins_over_that_of_keras(query, memory, mask):
    layer = BahdanauAttention(6)
    expected = layer(query, memory, mask=mask)
    tensor = tensors(memory)
    tensor._keras_mask = ops.ones((BATCH, SOURCE), "bool")
    context, _ = layer(query, tensor, mask=mask)
    np.testing.assert_array_equal(context, expected[0])


def test_mask_of_the_query_is_not_taken_for_that_of_the_memory(query):
    # As many steps as positions: nothing but its origin tells the mask.
    layer = LuongAttention(score="dot")
    expected = layer(query, query)
    query_mask = np.array([[True, True, False, False]] * BATCH)
    tensor = tensors(query)
    tensor._keras_mask = tensors(query_mask)
    context, alignments = layer(tensor, query)
    np.testing.assert_array_equal(alignments, expected[1])
    for output in (context, alignments):
        np.testing.assert_array_equal(output._keras_mask, query_mask)


def test_outputs_do_not_carry_the_mask_of_the_memory(query, memory, mask):
    outputs = BahdanauAttention(6)(query, memory, mask=mask)
    assert [getattr(x, "_keras_mask", None) for x in outputs] == [None, None]


def test_embedding_mask_reaches_attention_in_a_functional_model():
    ids = np.array([[3, 1, 2, 0, 0], [2, 0, 3, 1, 0]])
    source = keras.Input((None,), dtype="int32")
    query = keras.Input((4,))
    memory = keras.layers.Embedding(5, 4, mask_zero=True)(source)
    _, alignments = LuongAttention()(query, memory)
    model = keras.Model([source, query], alignments)
    result = numpy_of(model([ids, np.ones((2, 4), "float32")]))
    assert ((result == 0) == (ids == 0)).all()


@pytest.mark.parametrize(
    "probability", ["softmax", "hardmax", "sparsemax", flat]
)
def test_config_keeps_every_argument(probability):
    for layer in (
        BahdanauAttention(6, True, probability, "ones", dtype="float64"),
        LuongAttention(6, "concat", True, probability, "ones", name="mine"),
    ):
        copy = type(layer).from_config(layer.get_config())
        assert copy.get_config() == layer.get_config()
        assert copy.probability == probability
        names = ("units", "normalize", "score", "scale", "name", "dtype")
        for name in names:
            assert getattr(copy, name, 0) == getattr(layer, name, 0)
        copy.build((2, 5), (2, 3, 4))
        assert (np.asarray(copy.query_kernel) == 1).all()


def test_callable_probability_never_reaches_padding(query, memory, mask):
    layer = LuongAttention(probability=flat)
    _, alignments = layer(query, memory, mask=mask)
    expected = np.broadcast_to(mask[:, None] / SOURCE, alignments.shape)
    np.testing.assert_allclose(alignments, expected, atol=1e-7)
    layer = LuongAttention(probability=masked_softmax)
    layer.build(query.shape, memory.shape)
    same = LuongAttention()
    same.build(query.shape, memory.shape)
    same.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        layer(query, memory, mask=mask)[1], same(query, memory, mask=mask)[1]
    )


def test_unknown_probability_names_the_known_ones():
    with pytest.raises(ValueError, match="'hardmax', 'sparsemax'.*'entmax'"):
        BahdanauAttention(6, probability="entmax")


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((BATCH, SOURCE), "float32", "boolean.*got dtype float32.*Cast it"),
        ((BATCH, SOURCE), "int32", "boolean.*got dtype int32.*Cast it"),
        ((BATCH, SOURCE + 1), "bool", r"= \(3, 7\), got shape \(3, 8\)"),
        ((BATCH + 1, SOURCE), "bool", r"= \(3, 7\), got shape \(4, 7\)"),
        ((BATCH, 1, SOURCE), "bool", r"= \(3, 7\), got shape \(3, 1, 7\)"),
        ((SOURCE,), "bool", r"= \(3, 7\), got shape \(7,\)"),
    ],
)
def test_mask_that_does_not_fit_is_refused(
    shape, dtype, message, query, memory
):
    with pytest.raises(ValueError, match=message):
        BahdanauAttention(6)(query, memory, mask=np.ones(shape, dtype))


def test_tensors_that_do_not_fit_are_refused(query, memory):
    layer = BahdanauAttention(6)
    with pytest.raises(ValueError, match="query of shape.*got shape"):
        layer(query[:, None], memory)
    with pytest.raises(ValueError, match="memory of shape.*return_sequences"):
        layer(query, memory[:, 0])
    with pytest.raises(ValueError, match="same batch size"):
        layer(query, memory[:1])


def test_weights_asked_for_before_they_exist_are_an_error(query, memory):
    for layer in (BahdanauAttention(6), LuongAttention(score="dot")):
        with pytest.raises(ValueError, match="do not exist yet.*`build"):
            layer.project(memory)
        with pytest.raises(ValueError, match="do not exist yet.*`build"):
            layer.attend(query, memory, memory)


def test_unknown_depth_is_refused_at_build():
    with pytest.raises(ValueError, match="depth of the query.*keras.Input"):
        BahdanauAttention(6).build((2, None), (2, 3, 4))
    with pytest.raises(ValueError, match="depth of the memory.*keras.Input"):
        LuongAttention().build((2, 5), (2, 3, None))


def test_subclass_needs_only_a_score(query, memory, mask):
    class Bare(AttentionMechanism):
        pass

    class Dot(AttentionMechanism):
        def compute_scores(self, query, keys):
            return dot_score(query, keys)

    expected = LuongAttention(score="dot")(query, memory, mask=mask)
    np.testing.assert_array_equal(
        Dot()(query, memory, mask=mask)[1], expected[1]
    )
    with pytest.raises(NotImplementedError, match="Bare must implement"):
        Bare()(query, memory)
