"""The language model, its backbone and its preprocessor."""

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from zoo.data import CharacterTokenizer
from zoo.data import contiguous_batches
from zoo.models import LanguageModel
from zoo.models import LanguageModelBackbone
from zoo.models import LanguageModelPreprocessor

VOCABULARY = 11


def draw_ids(*shape):
    return np.random.default_rng(shape).integers(4, VOCABULARY, shape)


def make_backbone(**kwargs):
    settings = {"vocabulary_size": VOCABULARY, "units": 6, **kwargs}
    backbone = LanguageModelBackbone(**settings)
    rng = np.random.default_rng(0)
    for weight in backbone.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    return backbone


def make_model(**kwargs):
    return LanguageModel(make_backbone(**kwargs))


def inputs_of(ids):
    return {"token_ids": ids, "padding_mask": np.ones(ids.shape, bool)}


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def reference(model, ids):
    """Logits by keras.layers.LSTM and NumPy."""
    embedding, bias, *weights = [w.numpy() for w in model.trainable_weights]
    x = embedding[ids]
    while weights:
        kernel, recurrent, lstm_bias = weights[:3]
        del weights[:3]
        layer = keras.layers.LSTM(recurrent.shape[0], return_sequences=True)
        layer.build(x.shape)
        layer.set_weights([kernel, recurrent, lstm_bias])
        x = np.asarray(layer(x))
    return x @ embedding.T + bias


def test_logits_are_those_of_keras_layers():
    model, ids = make_model(), draw_ids(3, 5)
    np.testing.assert_allclose(
        model(inputs_of(ids)), reference(model, ids), atol=1e-5
    )


def test_perplexity_is_that_of_the_whole_text_in_one_piece():
    model, ids = make_model(), draw_ids(23)
    logits = log_softmax(reference(model, ids[None, :-1]))[0]
    expected = np.exp(-np.mean(logits[np.arange(22), ids[1:]]))
    for num_steps in (1, 5, 22, 200):
        given = model.perplexity(ids, num_steps=num_steps)
        np.testing.assert_allclose(given, expected, rtol=1e-5)


def test_perplexity_of_rows_side_by_side():
    model, ids = make_model(), draw_ids(23)
    rows = ids[:22].reshape(2, 11), ids[1:].reshape(2, 11)
    logits = log_softmax(reference(model, rows[0]))
    picked = np.take_along_axis(logits, rows[1][..., None], axis=-1)
    np.testing.assert_allclose(
        model.perplexity(ids, batch_size=2, num_steps=4),
        np.exp(-picked.mean()),
        rtol=1e-5,
    )


def test_carried_state_makes_batches_one_text():
    model = make_model(carry_batch_size=2)
    whole = make_model()
    ids = draw_ids(2, 12)
    expected = whole(inputs_of(ids))
    for start in range(0, 12, 4):
        given = model(inputs_of(ids[:, start : start + 4]))
        np.testing.assert_allclose(
            given, expected[:, start : start + 4], atol=1e-5
        )
    model.reset_state()
    np.testing.assert_allclose(
        model(inputs_of(ids[:, :4])), expected[:, :4], atol=1e-5
    )


def test_without_carry_is_the_same_model_for_any_batch():
    model = make_model(carry_batch_size=2)
    free = model.without_carry()
    ids = draw_ids(5, 3)
    np.testing.assert_allclose(
        free(inputs_of(ids)), reference(model, ids), atol=1e-5
    )
    assert free.backbone.carry_batch_size is None


@pytest.mark.parametrize("rank", [None, 2])
def test_layers_that_gate_each_other_read_and_carry_their_state(rank):
    settings = {"mogrifier_rounds": 5, "mogrifier_rank": rank}
    model, ids = make_model(**settings), draw_ids(2, 12)
    for layer in model.backbone.lstm_layers:
        assert type(layer) is zoo.layers.MogrifierLSTM
    expected = model(inputs_of(ids))
    hidden, state = model.backbone.read(ids[:, :5])
    rest, _ = model.backbone.read(ids[:, 5:], state)
    read = model._logits(keras.ops.concatenate([hidden, rest], axis=1))
    np.testing.assert_allclose(read, expected, atol=1e-5)
    carried = make_model(carry_batch_size=2, **settings)
    for start in range(0, 12, 4):
        given = carried(inputs_of(ids[:, start : start + 4]))
        np.testing.assert_allclose(
            given, expected[:, start : start + 4], atol=1e-5
        )
    free = carried.without_carry()
    np.testing.assert_allclose(free(inputs_of(ids)), expected, atol=1e-5)
    # one row, one piece: what `perplexity` reads in several
    logits = log_softmax(np.asarray(expected[:1]))[0]
    surprise = -np.mean(logits[np.arange(11), ids[0, 1:]])
    np.testing.assert_allclose(
        model.perplexity(ids[0], num_steps=4), np.exp(surprise), rtol=1e-5
    )


def test_without_rounds_the_layers_are_plain():
    for layer in make_backbone().lstm_layers:
        assert type(layer) is zoo.layers.LSTM


def test_layers_that_gate_each_other_learn_a_text_and_are_kept(tmp_path):
    ids = np.tile([4, 5, 6, 7, 8], 60)
    model = make_model(carry_batch_size=2, mogrifier_rounds=2, mogrifier_rank=2)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    model.fit(contiguous_batches(ids, 2, 10), epochs=8, verbose=0)
    assert model.perplexity(ids) < 1.3
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert copy.perplexity(ids) == model.perplexity(ids)


def test_fit_on_one_long_text_learns_it():
    ids = np.tile([4, 5, 6, 7, 8], 60)
    model = make_model(carry_batch_size=2)
    model.compile(
        keras.optimizers.Adam(0.02),
        zoo.training.TokenCrossentropy(sum_over_time=True),
        jit_compile=False,
    )
    model.fit(contiguous_batches(ids, 2, 10), epochs=8, verbose=0)
    assert model.perplexity(ids) < 1.3


def test_generate_goes_on_from_prompts_of_any_length(writer):
    assert writer.generate(["to be or", "w", "we see a s"]) == [
        "to be or not to be",
        "we see a sea",
        "we see a sea",
    ]
    assert writer.generate("to b", max_length=6) == "to be"


def test_generate_from_nothing_and_with_strange_characters(writer):
    empty, strange = writer.generate(["", "€ 我"])
    assert empty in ("to be or not to be", "we see a sea")
    assert strange.startswith("<unk>")


def test_score_is_the_sum_of_the_tokens_log_probabilities(writer):
    texts = ["to be", "", "or not to be or", "zzz"]
    log_probs, lengths = writer.score(texts, batch_size=3)
    assert lengths.tolist() == [6, 1, 16, 4]
    for text, log_prob in zip(texts, log_probs, strict=True):
        ids = writer.preprocessor.tokenizer.tokenize(text).numpy()
        ids = np.concatenate([[3], ids, [3]])
        logits = log_softmax(reference(writer, ids[None, :-1]))[0]
        expected = logits[np.arange(len(ids) - 1), ids[1:]].sum()
        np.testing.assert_allclose(log_prob, expected, rtol=1e-4)


def test_step_function_is_one_for_search(writer):
    found = zoo.decoding.greedy_search(
        writer.step,
        [3],
        writer.backbone.get_initial_state(1),
        max_length=24,
        end_id=3,
    )
    text = writer.preprocessor.tokenizer.detokenize(found.ids[:, 0])
    assert text.numpy()[0].decode() == writer.generate("")


def test_preset_keeps_model_and_tokenizer(writer, tmp_path):
    writer.save_to_preset(str(tmp_path / "preset"))
    copy = keras_hub.models.CausalLM.from_preset(str(tmp_path / "preset"))
    assert type(copy) is LanguageModel
    copy.compile(sampler="greedy")
    assert copy.generate("to b") == writer.generate("to b")
    np.testing.assert_array_equal(
        copy.score(["or not"])[0], writer.score(["or not"])[0]
    )


def test_keras_file_keeps_the_model(tmp_path):
    model, ids = make_model(tie_embeddings=False), draw_ids(2, 4)
    model.train_on_batch(inputs_of(ids), ids)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy(inputs_of(ids)), model(inputs_of(ids)))


def test_softmax_of_another_width_than_the_embeddings(tmp_path):
    model = make_model(tie_embeddings=False, embedding_dim=3)
    ids = draw_ids(2, 4)
    model.train_on_batch(inputs_of(ids), ids)
    logits = model(inputs_of(ids))
    assert tuple(logits.shape) == (2, 4, VOCABULARY)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy(inputs_of(ids)), logits)


def test_preprocessor_shifts_by_one():
    tokenizer = CharacterTokenizer.train(["abc"])
    preprocessor = LanguageModelPreprocessor(tokenizer, sequence_length=3)
    x, y, weights = preprocessor(["ab", "", "abcab"])
    a, b = tokenizer.token_to_id("a"), tokenizer.token_to_id("b")
    assert x["token_ids"].numpy().tolist() == [[3, a, b], [3, 0, 0], [3, a, b]]
    assert y.numpy().tolist() == [[a, b, 3], [3, 0, 0], [a, b, 3]]
    assert weights.numpy().tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 1]]
    np.testing.assert_array_equal(x["padding_mask"], weights)


def test_every_argument_of_the_backbone_survives_from_config():
    backbone = LanguageModelBackbone(
        vocabulary_size=9,
        units=[5, 4],
        embedding_dim=3,
        tie_embeddings=False,
        embedding_dropout=0.1,
        layer_dropout=0.2,
        dropout=0.3,
        word_dropout=0.4,
        recurrent_dropout=0.5,
        weight_drop=0.6,
        variational=True,
        activation_regularization=2.0,
        temporal_regularization=3.0,
        unit_forget_bias=False,
        mogrifier_rounds=3,
        mogrifier_rank=2,
        initializer_range=0.7,
        carry_batch_size=2,
    )
    copy = LanguageModelBackbone.from_config(backbone.get_config())
    assert copy.get_config() == backbone.get_config()
    assert copy.lstm_layers[0].units == 5
    assert copy.lstm_layers[1].cell.weight_drop == 0.6
    assert copy.lstm_layers[1].cell.rounds == 3
    assert copy.lstm_layers[1].cell.rank == 2
    kernels = [w for w in copy.trainable_weights if w.path.endswith("kernel")]
    assert all(0.5 < np.abs(w.numpy()).max() <= 0.7 for w in kernels)


def test_the_loss_has_the_price_of_the_outputs():
    model, ids = make_model(), draw_ids(2, 4)
    priced = make_model(
        activation_regularization=2.0, temporal_regularization=3.0
    )
    losses = []
    for one in (model, priced):
        one.compile(keras.optimizers.SGD(0.0))
        losses.append(one.train_on_batch(inputs_of(ids), ids)[0])
    x = keras.ops.convert_to_numpy(model.backbone(inputs_of(ids)))
    price = 2 * np.mean(x**2) + 3 * np.mean((x[:, 1:] - x[:, :-1]) ** 2)
    np.testing.assert_allclose(losses[1] - losses[0], price, rtol=1e-4)


def test_variational_dropout_keeps_its_mask_over_time():
    ids = np.full((1, 50), 4)
    for variational in (False, True):
        backbone = make_backbone(embedding_dropout=0.5, variational=variational)
        dropped = keras.ops.convert_to_numpy(
            backbone._embed(ids, training=True)
        )
        same = np.all(dropped == dropped[:, :1])
        assert same == variational


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"units": 0}, "positive integer, got 0"),
        ({"units": [4, 2.5]}, "positive integer, got 2.5"),
        ({"num_layers": 0}, "`num_layers` to be a positive integer, got 0"),
        ({"mogrifier_rounds": -1}, "`mogrifier_rounds` to be an integer"),
        (
            {"mogrifier_rounds": 2, "mogrifier_rank": 0},
            "`mogrifier_rank` to be a positive integer, got 0",
        ),
        ({"mogrifier_rank": 3}, "no `mogrifier_rank` .*, got 3. Give a number"),
        ({"units": 4, "embedding_dim": 3}, "got 4 units and embedding_dim=3"),
    ],
)
def test_wrong_arguments_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        LanguageModelBackbone(vocabulary_size=9, **arguments)


def test_a_preprocessor_needs_one_of_our_tokenizers():
    with pytest.raises(ValueError, match="tokenizer of `zoo.data`"):
        LanguageModelPreprocessor("words")
