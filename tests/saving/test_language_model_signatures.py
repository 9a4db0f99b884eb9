"""What a SavedModel of a language model offers."""

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.models import LanguageModel
from zoo.models import LanguageModelBackbone

SENTENCES = ["to be or not to be", "we see a sea"]


@pytest.fixture(scope="module")
def folder(writer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("writer")
    zoo.export(writer, folder / "1")
    return folder


@pytest.fixture(scope="module")
def signatures(folder):
    # the signatures hold their module only weakly
    module = tf.saved_model.load(str(folder / "1"))
    yield module.signatures
    del module


def generate(signatures, prompts, max_tokens=30, temperature=1.0, seed=1):
    texts = signatures["generate"](
        prompt=tf.constant(prompts, tf.string),
        max_tokens=tf.constant(max_tokens),
        temperature=tf.constant(temperature),
        seed=tf.constant(seed),
    )["text"]
    return [text.decode() for text in texts.numpy()]


def test_at_temperature_zero_it_writes_the_most_probable(signatures, writer):
    prompts = ["to be or", "w", "we see a s"]
    written = generate(signatures, prompts, temperature=0.0)
    assert (
        written == writer.generate(prompts) == [SENTENCES[i] for i in (0, 1, 1)]
    )


def test_a_seed_gives_one_text_and_another_seed_another(signatures):
    hot = {"prompts": ["to", "we"], "temperature": 3.0}
    first = generate(signatures, **hot)
    assert first == generate(signatures, **hot)
    assert first != generate(signatures, **hot, seed=2)


def test_samples_come_as_often_as_they_are_probable(signatures, writer):
    first = [text[:1] for text in generate(signatures, [""] * 400, 1)]
    log_probs = writer.step(np.array([3]), None)[0][0]
    probabilities = np.asarray(tf.nn.softmax(log_probs))
    ids = writer.preprocessor.tokenizer.tokenize(["t", "w"]).numpy()[:, 0]
    for character, token in zip("tw", ids, strict=True):
        expected = probabilities[token]
        deviation = (expected * (1 - expected) / 400) ** 0.5
        assert abs(first.count(character) / 400 - expected) < 4 * deviation


@pytest.mark.parametrize("max_tokens", [0, 1, 4])
def test_no_more_tokens_than_asked_for(signatures, max_tokens):
    prompts = ["to b", "w", ""]
    written = generate(signatures, prompts, max_tokens, temperature=0.0)
    assert [len(x) - len(y) for x, y in zip(written, prompts, strict=True)] == [
        max_tokens
    ] * 3


def test_prompts_in_a_batch_are_as_alone(signatures):
    prompts = ["to be or", "w", ""]
    together = generate(signatures, prompts, temperature=0.0)
    alone = [generate(signatures, [x], temperature=0.0)[0] for x in prompts]
    assert together == alone


def test_score_is_that_of_the_model(signatures, writer):
    texts = ["to be", "", "zzz", "to be or not " * 20]
    found = signatures["score"](text=tf.constant(texts))
    log_probs, lengths = writer.score(texts)
    np.testing.assert_allclose(found["log_probability"], log_probs, rtol=1e-5)
    assert found["tokens"].numpy().tolist() == lengths.tolist()
    assert lengths.tolist() == [6, 1, 4, 13 * 20]


def test_an_empty_batch_gives_empty_results(signatures):
    assert generate(signatures, []) == []
    found = signatures["score"](text=tf.constant([], tf.string))
    assert found["tokens"].shape == (0,)


def test_a_model_that_carries_its_state_is_refused(writer, tmp_path):
    tokenizer = writer.preprocessor.tokenizer
    model = LanguageModel(
        LanguageModelBackbone(
            tokenizer.vocabulary_size(), units=4, carry_batch_size=2
        ),
        writer.preprocessor,
    )
    with pytest.raises(ValueError, match="without_carry"):
        zoo.export(model, tmp_path / "1")
    with pytest.raises(ValueError, match="preprocessor"):
        zoo.export(LanguageModel(model.backbone), tmp_path / "1")


def test_its_preset_loads_by_path(writer, tmp_path):
    writer.save_to_preset(str(tmp_path / "preset"))
    model = zoo.load(tmp_path)
    assert type(model) is LanguageModel
    np.testing.assert_array_equal(
        model.score(SENTENCES)[0], writer.score(SENTENCES)[0]
    )


def test_without_a_preset_the_error_says_how_to_use_it(folder):
    with pytest.raises(ValueError, match=r"tf\.saved_model\.load"):
        zoo.load(folder)
