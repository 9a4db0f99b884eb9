"""`Seq2Seq`: training, searching, saving."""

import keras
import keras_hub
import numpy as np
import pytest

from zoo.data import CharacterTokenizer
from zoo.data import WordTokenizer
from zoo.data import translation_dataset
from zoo.layers import BahdanauMonotonicAttention
from zoo.layers import CoverageAttention
from zoo.layers import LocalAttention
from zoo.models import Seq2Seq
from zoo.models import Seq2SeqBackbone
from zoo.models import Seq2SeqPreprocessor

SOURCES = ["我爱中国。", "他在等你。", "谢谢。", "我爱你。"]
TARGETS = ["I love China.", "He is waiting for you.", "Thanks.", "I love you."]


def make_model(**kwargs):
    preprocessor = Seq2SeqPreprocessor(
        CharacterTokenizer.train(SOURCES),
        WordTokenizer.train(TARGETS),
        encoder_sequence_length=12,
        decoder_sequence_length=9,
    )
    backbone = Seq2SeqBackbone(
        preprocessor.source_tokenizer.vocabulary_size(),
        preprocessor.tokenizer.vocabulary_size(),
        **{
            "embedding_dim": 16,
            "encoder_units": 12,
            "decoder_units": 14,
            **kwargs,
        },
    )
    return Seq2Seq(backbone, preprocessor, beam_width=3, length_penalty=0.8)


@pytest.fixture(scope="module")
def trained():
    """A model that knows four sentences by heart."""
    keras.utils.set_random_seed(3)
    model = make_model()
    model.compile(keras.optimizers.Adam(2e-2))
    history = model.fit(SOURCES, TARGETS, batch_size=2, epochs=60, verbose=0)
    return model, history.history


@pytest.mark.parametrize("attention", [None, "luong"])
def test_training_lowers_the_loss(attention):
    model = make_model(attention=attention, input_feeding=False)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(SOURCES, TARGETS, batch_size=1, epochs=8, verbose=0)
    loss = history.history["loss"]
    # an untrained model is as good as guessing among the vocabulary
    size = model.preprocessor.tokenizer.vocabulary_size()
    assert loss[0] == pytest.approx(np.log(size), rel=0.1)
    assert loss[-1] < 0.85 * loss[0]


def test_four_sentences_can_be_learnt_by_heart(trained):
    model, history = trained
    assert history["loss"][-1] < 0.2
    assert model.translate(SOURCES) == TARGETS
    assert model.translate(SOURCES, beam_width=1) == TARGETS


def test_training_on_batches_equals_training_on_strings():
    losses = []
    for kind in ("strings", "batches"):
        keras.utils.set_random_seed(7)
        model = make_model()
        if kind == "strings":
            found = model.evaluate(SOURCES, TARGETS, verbose=0)
        else:
            batches = translation_dataset(
                (SOURCES, TARGETS),
                model.preprocessor.source_tokenizer,
                model.preprocessor.tokenizer,
                batch_size=4,
            )
            found = model.evaluate(batches, verbose=0)
        losses.append(found[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_sentence_does_not_depend_on_its_company(translator):
    texts = ["我爱中国", "他", "", "他在等你我爱中国他在等你", "爱" * 30]
    together = translator.translate(texts, return_alignments=True)
    for text, found in zip(texts, together, strict=True):
        (alone,) = translator.translate([text], return_alignments=True)
        assert alone.text == found.text
        assert alone.score == pytest.approx(found.score, abs=1e-4)
        np.testing.assert_allclose(
            alone.alignments, found.alignments, atol=1e-4
        )


@pytest.mark.parametrize(
    "attention",
    [
        CoverageAttention(8),
        BahdanauMonotonicAttention(8),
        LocalAttention("monotonic", window=1),
    ],
    ids=["coverage", "monotonic", "local"],
)
def test_attention_that_looks_back_follows_its_own_hypothesis(attention):
    model = make_model(attention=attention)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    source = rng.integers(4, 10, (5, 6), "int32")
    mask = np.arange(6) < np.array([[6], [5], [4], [6], [3]])
    start = model.preprocessor.tokenizer.start_token_id
    found = model.search(source, mask, beam_width=3)
    for rank in range(3):
        ids = np.asarray(found.ids)[:, rank]
        shifted = np.pad(ids[:, :-1], [(0, 0), (1, 0)], constant_values=start)
        outputs = model.backbone(
            {
                "encoder_token_ids": source,
                "encoder_padding_mask": mask,
                "decoder_token_ids": shifted,
                "decoder_padding_mask": np.ones(shifted.shape, bool),
            }
        )
        real = np.arange(ids.shape[1]) < found.lengths.numpy()[:, rank, None]
        assert real.sum() > 5
        np.testing.assert_allclose(
            np.asarray(found.alignments)[:, rank][real],
            np.asarray(outputs["alignments"])[real],
            atol=1e-4,
        )


def test_the_score_is_that_of_the_tokens(trained):
    model, _ = trained
    found = model.translate(SOURCES, return_alignments=True)
    log_probs, lengths = model.score(SOURCES, [x.text for x in found])
    expected = log_probs / ((5 + lengths) / 6) ** 0.8
    # the search never writes <unk>, so that its distribution is a little more
    # peaked than the model's
    np.testing.assert_allclose([x.score for x in found], expected, atol=0.05)
    assert lengths.tolist() == [len(x.target_tokens) for x in found]


def test_a_wider_beam_finds_no_worse_a_sentence(translator):
    texts = ["我爱中国", "他在等你", "你在中国"]
    scores = [
        [
            x.score
            for x in translator.translate(
                texts,
                beam_width=width,
                length_penalty=0.0,
                return_alignments=True,
            )
        ]
        for width in (1, 20)
    ]
    assert np.all(np.array(scores[1]) >= np.array(scores[0]) - 1e-5)


def test_several_results_are_ranked(translator):
    found = translator.translate(
        ["我爱中国", "他"], beam_width=4, num_results=3, return_alignments=True
    )
    for translations in found:
        assert len({x.text for x in translations}) == 3
        scores = [x.score for x in translations]
        assert scores == sorted(scores, reverse=True)


def test_alignments_fit_their_tokens(translator):
    (found,) = translator.translate(["我爱X"], return_alignments=True)
    assert found.source_tokens == ["我", "爱", "X", "<eos>"]
    assert found.alignments.shape == (len(found.target_tokens), 4)
    np.testing.assert_allclose(found.alignments.sum(axis=1), 1, atol=1e-5)
    joined = "".join(x for x in found.target_tokens if x != "<eos>")
    assert joined.replace("▁", " ").strip() == found.text


@pytest.mark.parametrize(
    "text",
    [
        "爱" * 1000,
        "🙂🙃",
        "\x00我\x00",
        "Ünknown wörds",
        b"\xff\xfe\xe6\x88",
        "\udcff我",
        "\t\n",
    ],
)
def test_any_text_is_translated(translator, text):
    (found,) = translator.translate([text], return_alignments=True)
    assert np.isfinite(found.score)
    assert len(found.source_tokens) <= 40


def test_no_text_becomes_no_text(translator):
    for found in translator.translate(["", "   "], return_alignments=True):
        assert (found.text, found.score) == ("", 0.0)
        assert found.target_tokens == []
    assert translator.translate([]) == []


def test_generate_with_the_greedy_sampler_is_greedy_search(trained):
    model, _ = trained
    assert list(model.generate(SOURCES)) == TARGETS
    assert model.generate("谢谢。") == "Thanks."


def test_generate_goes_on_from_prompts_of_different_lengths(trained):
    model, _ = trained
    found = model.generate(
        {
            "encoder_text": [SOURCES[0], SOURCES[1]],
            "decoder_text": ["I love", "He"],
        }
    )
    assert list(found) == TARGETS[:2]


@pytest.mark.parametrize("sampler", ["top_k", "beam"])
def test_samplers_of_keras_hub_work(sampler):
    model = make_model()
    model.compile(sampler=sampler)
    assert len(model.generate(SOURCES)) == 4


def test_a_keras_file_holds_all_of_it(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.translate(SOURCES) == TARGETS
    assert (again.beam_width, again.length_penalty) == (3, 0.8)


@pytest.mark.parametrize(
    "loader", [Seq2Seq, keras_hub.models.Seq2SeqLM], ids=lambda x: x.__name__
)
def test_a_preset_holds_all_of_it(trained, tmp_path, loader):
    model, _ = trained
    model.save_to_preset(str(tmp_path / "preset"))
    again = loader.from_preset(str(tmp_path / "preset"))
    assert isinstance(again, Seq2Seq)
    assert again.translate(SOURCES) == TARGETS
    assert (again.beam_width, again.length_penalty) == (3, 0.8)


def test_a_changed_model_is_not_translated_by_its_old_self(trained):
    model = make_model()
    before = model.score(SOURCES, TARGETS)[0]
    model.translate(SOURCES)
    model.set_weights(trained[0].get_weights())
    assert model.translate(SOURCES) == TARGETS
    assert np.all(model.score(SOURCES, TARGETS)[0] > before)


def test_wrong_arguments_say_what_is_right(translator):
    with pytest.raises(TypeError, match="list of strings, got the string"):
        translator.translate("我爱中国")
    with pytest.raises(ValueError, match="at most the beam width 2, got 3"):
        translator.translate(["我"], beam_width=2, num_results=3)
    with pytest.raises(ValueError, match="as many targets as sources"):
        translator.score(["我"], [])
    bare = Seq2Seq(translator.backbone)
    with pytest.raises(ValueError, match="with a `preprocessor`"):
        bare.translate(["我"])
