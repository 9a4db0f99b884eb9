import numpy as np
import pytest
import tensorflow as tf

import zoo

TEXTS = ["我爱中国", "", "他在等你。", "😀"]


@pytest.fixture(scope="module")
def served(exported):
    """A model that is a SavedModel and nothing else."""
    return zoo.load(exported / "served")


def test_model_with_a_preset_loads_as_seq2seq(model_home, translator):
    model = zoo.load("tiny")
    assert type(model) is zoo.models.Seq2Seq
    assert model.length_penalty == 0.7
    assert model.translate(TEXTS) == translator.translate(TEXTS)
    assert model.translate(
        TEXTS, beam_width=3, num_results=2
    ) == translator.translate(TEXTS, beam_width=3, num_results=2)


def test_both_tokenizers_survive_the_preset(model_home, translator):
    loaded = zoo.load(model_home / "tiny" / "preset").preprocessor
    for name in ("source_tokenizer", "tokenizer"):
        assert (
            getattr(loaded, name).get_vocabulary()
            == getattr(translator.preprocessor, name).get_vocabulary()
        )


def test_saved_model_alone_translates_like_its_model(served, translator):
    assert type(served) is zoo.saving.SavedTranslator
    for options in (
        {},
        {"beam_width": 5},
        {"beam_width": 1},
        {"num_results": 4},
        {"batch_size": 1},
    ):
        assert served.translate(TEXTS, **options) == translator.translate(
            TEXTS, **options
        )
    assert served.translate([]) == []


def test_saved_model_alone_has_alignments(served, translator):
    translated = served.translate(TEXTS, return_alignments=True)
    expected = translator.translate(TEXTS, return_alignments=True)
    for found, wanted in zip(translated, expected, strict=True):
        assert found[0] == wanted[0]
        assert found.score == pytest.approx(wanted.score, rel=1e-4)
        assert found[2:4] == wanted[2:4]
        np.testing.assert_allclose(
            found.alignments, wanted.alignments, atol=1e-5
        )


def test_saved_model_alone_gives_scores_of_several_results(served):
    found = served.translate(TEXTS, num_results=3, return_alignments=True)
    for results in found:
        scores = [result.score for result in results]
        assert scores == sorted(scores, reverse=True)
        assert results[0].alignments is None


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beam_width": 4}, "5 or 1, got 4.*preset"),
        ({"length_penalty": 1.0}, "length_penalty=None.*got 1.0.*preset"),
        ({"max_length": 3}, "max_length=None.*got 3"),
        ({"num_results": 6}, "beam width 5, got 6"),
        ({"num_results": 0}, "got 0"),
        ({"num_results": 2, "beam_width": 1}, "beam width 1, got 2"),
    ],
)
def test_what_a_saved_model_cannot_do_is_refused(served, options, message):
    with pytest.raises(ValueError, match=message):
        served.translate(TEXTS, **options)


def test_single_string_is_refused(served):
    with pytest.raises(TypeError, match="list of strings, got the string"):
        served.translate("我爱中国")
    with pytest.raises(TypeError, match="element 3 of type int"):
        served.translate(["我", 3])


def test_saved_model_of_something_else_is_refused(tmp_path):
    module = tf.Module()
    module.f = tf.function(
        lambda x: x, input_signature=[tf.TensorSpec([], tf.float32)]
    )
    tf.saved_model.save(module, str(tmp_path / "1"))
    with pytest.raises(ValueError, match="without the signatures.*nbest"):
        zoo.load(tmp_path)


def test_unknown_name_is_not_found(model_home):
    with pytest.raises(FileNotFoundError, match="Known models: served, tiny"):
        zoo.load("zh_en")
