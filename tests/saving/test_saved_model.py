import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.saving import saved_model

TEXTS = ["我爱中国", "他在等你。", "我", "中国人爱你 and me 😀"]
ODD = [
    "",
    "   ",
    "\u3000",
    "中" * 1000,
    "龘𝕏😀",
    b"\xff\xfe\xe6\x88",
    b"\x00",
    "我\x00爱",
    "\n",
]


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported / "tiny" / "1"))


def _call(loaded, name, texts):
    found = loaded.signatures[name](text=tf.constant(texts, tf.string))
    return {key: value.numpy() for key, value in found.items()}


def test_signatures_and_their_outputs_are_those_of_the_contract(loaded):
    assert set(loaded.signatures) == {
        "serving_default",
        "greedy",
        "nbest",
        "translate_with_alignments",
        "tokenize",
    }
    for signature in loaded.signatures.values():
        assert signature.structured_input_signature[1] == {
            "text": tf.TensorSpec([None], tf.string, name="text")
        }
    found = _call(loaded, "translate_with_alignments", TEXTS)
    assert set(found) == {
        "text",
        "score",
        "source_tokens",
        "target_tokens",
        "alignments",
    }
    batch, target, source = found["alignments"].shape
    assert found["source_tokens"].shape == (batch, source)
    assert found["target_tokens"].shape == (batch, target)
    assert found["text"].shape == found["score"].shape == (len(TEXTS),)
    assert found["score"].dtype == found["alignments"].dtype == np.float32
    assert _call(loaded, "nbest", TEXTS)["score"].shape == (len(TEXTS), 5)


def test_signatures_do_what_the_model_does(loaded, translator):
    texts = TEXTS + ODD
    for name, options in (
        ("serving_default", {"beam_width": 5}),
        ("greedy", {"beam_width": 1}),
        ("translate_with_alignments", {"beam_width": 5}),
        ("nbest", {"beam_width": 5, "num_results": 5}),
    ):
        found = _call(loaded, name, texts)
        expected = translator.translate(
            texts, return_alignments=True, **options
        )
        for row, results in enumerate(expected):
            results = results if name == "nbest" else [results]
            for k, result in enumerate(results):
                at = (row, k) if name == "nbest" else row
                assert found["text"][at].decode() == result.text
                assert found["score"][at] == pytest.approx(
                    result.score, rel=1e-4, abs=1e-6
                )
                if name == "translate_with_alignments":
                    alignments = found["alignments"][row]
                    rows, columns = result.alignments.shape
                    np.testing.assert_allclose(
                        alignments[:rows, :columns],
                        result.alignments,
                        atol=1e-5,
                    )
                    assert not alignments[rows:].any()
                    assert not alignments[:, columns:].any()


def test_sentence_alone_gives_what_it_gives_in_a_batch(loaded):
    texts = TEXTS + ["中国" * 15, ""]
    for name in ("serving_default", "greedy"):
        together = _call(loaded, name, texts)
        for row, text in enumerate(texts):
            alone = _call(loaded, name, [text])
            assert alone["text"][0] == together["text"][row]
            np.testing.assert_allclose(
                alone["score"][0], together["score"][row], rtol=1e-4
            )


@pytest.mark.parametrize("text", ["", " ", "\u3000 \t\n"])
def test_text_without_a_token_becomes_the_empty_text_of_score_zero(
    loaded, text
):
    for name in ("serving_default", "greedy", "translate_with_alignments"):
        found = _call(loaded, name, ["我", text])
        assert found["text"][1] == b""
        assert found["score"][1] == 0.0
    assert _call(loaded, "nbest", [text])["score"].tolist() == [[0.0] * 5]


def test_empty_batch_gives_empty_results(loaded):
    for name in loaded.signatures:
        for value in _call(loaded, name, []).values():
            assert value.shape[0] == 0


def test_odd_bytes_give_finite_scores_and_valid_text(loaded):
    found = _call(loaded, "nbest", ODD)
    assert np.isfinite(found["score"]).all()
    for text in found["text"].flat:
        text.decode("utf-8")


def test_source_is_cut_at_the_longest_that_the_model_reads(loaded):
    found = _call(loaded, "tokenize", ["中" * 1000, "中" * 39])
    assert found["ids"].shape == (2, 40)  # 39 characters and the end token
    assert (found["ids"][0] == found["ids"][1]).all()
    scores = _call(loaded, "greedy", ["中" * 1000, "中" * 39])["score"]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_tokenize_shows_what_the_model_reads(loaded, translator):
    found = _call(loaded, "tokenize", ["愛中龘", "我"])
    assert [
        [token.decode() for token in tokens] for tokens in found["tokens"]
    ] == [["爱", "中", "龘", "<eos>"], ["我", "<eos>", "", ""]]
    ids = translator.preprocessor.source_tokenizer.token_to_id
    assert found["ids"].tolist() == [
        [ids("爱"), ids("中"), 1, 3],
        [ids("我"), 3, 0, 0],
    ]


def test_it_runs_in_a_process_that_imports_only_tensorflow(exported, loaded):
    code = (
        "import json, sys, tensorflow as tf\n"
        "loaded = tf.saved_model.load(sys.argv[1])\n"
        "texts = json.load(sys.stdin)\n"
        "found = loaded.signatures['serving_default']("
        "text=tf.constant(texts))\n"
        "bad = {'zoo', 'keras_hub', 'tensorflow_text'} & {*sys.modules}\n"
        "print(json.dumps([sorted(bad), "
        "[text.decode() for text in found['text'].numpy()]]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", code, exported / "served" / "1"],
        input=json.dumps(TEXTS),
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    foreign, texts = json.loads(result.stdout)
    assert foreign == []
    expected = _call(loaded, "serving_default", TEXTS)["text"]
    assert texts == [text.decode() for text in expected]
    # No warning of TensorFlow's, as of gradients that aren't saved.
    assert "WARNING:absl" not in result.stderr


def test_stock_client_runs_it(exported):
    client = pathlib.Path(sys.executable).with_name("saved_model_cli")
    result = subprocess.run(
        [client, "run", "--dir", exported / "tiny" / "1"]
        + ["--tag_set", "serve", "--signature_def", "serving_default"]
        + ["--input_exprs", 'text=["我爱中国","他在等你"]'],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert "Result for output key text:" in result.stdout
    assert "Result for output key score:" in result.stdout


def test_only_what_signatures_read_is_saved(exported, translator):
    names = tf.train.list_variables(
        str(exported / "tiny" / "1" / "variables" / "variables")
    )
    saved = sum(
        np.prod(shape) for name, shape in names if name.startswith("weights")
    )
    weights = sum(np.prod(w.shape) for w in translator.trainable_weights)
    assert saved == weights


def test_folder_holds_the_saved_model_and_nothing_is_left_beside_it(exported):
    assert [path.name for path in (exported / "served").iterdir()] == ["1"]
    assert sorted(path.name for path in (exported / "tiny").iterdir()) == [
        "1",
        "README.md",
        "preset",
    ]


def test_model_without_attention_exports_without_alignments(
    translator, tmp_path, monkeypatch
):
    backbone = zoo.models.Seq2SeqBackbone(
        translator.backbone.source_vocabulary_size,
        translator.backbone.target_vocabulary_size,
        embedding_dim=3,
        encoder_units=4,
        decoder_units=5,
        attention=None,
    )
    model = zoo.models.Seq2Seq(backbone, translator.preprocessor)
    monkeypatch.setattr(saved_model, "_check", lambda *args: None)
    zoo.export(model, tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert "translate_with_alignments" not in loaded.signatures
    translated = zoo.load(tmp_path / "1").translate(
        TEXTS, return_alignments=True
    )
    assert [one.text for one in translated] == model.translate(TEXTS)
    assert translated[0].alignments is None


def _echo(function=lambda text: {"text": text}):
    """Signatures, resources and examples of what copies its input."""
    signature = tf.function(
        function,
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
        autograph=False,
    )
    return {"echo": signature}, [], {"echo": [{"text": ["a"]}]}


def test_failed_check_keeps_the_older_model_and_leaves_nothing(
    translator, tmp_path, monkeypatch
):
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"older")
    halved = _echo(lambda text: {"text": text[::2]})
    halved[2]["echo"] += [{"text": ["a", "b"]}]
    monkeypatch.setattr(saved_model, "_signatures", lambda model: halved)
    with pytest.raises(RuntimeError, match="2 rows in 'text'.*'echo'"):
        zoo.export(translator, folder)
    assert (folder / "saved_model.pb").read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [folder]


def test_older_saved_model_is_replaced(translator, tmp_path, monkeypatch):
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"older")
    monkeypatch.setattr(saved_model, "_signatures", lambda model: _echo())
    monkeypatch.setattr(saved_model, "_check", lambda *args: None)
    assert zoo.export(translator, folder) == folder
    found = _call(tf.saved_model.load(str(folder)), "echo", ["a"])
    assert found["text"].tolist() == [b"a"]
    assert list(tmp_path.iterdir()) == [folder]


def test_folder_with_something_else_is_not_touched(translator, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds something else"):
        zoo.export(translator, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_full_disk_is_an_error_that_says_so(translator, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "_signatures", lambda m: _echo())
    usage = saved_model.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        saved_model.shutil, "disk_usage", lambda path: usage._replace(free=9)
    )
    with pytest.raises(OSError, match=r"Expected \d+ free bytes.*got 9"):
        zoo.export(translator, tmp_path / "new" / "1")
    monkeypatch.undo()
    monkeypatch.setattr(saved_model, "_signatures", lambda m: _echo())

    def fail(*args):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="nothing was changed: No space left"):
        zoo.export(translator, tmp_path / "new" / "1")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    "function, message",
    [
        (
            lambda text: {
                "text": tf.numpy_function(lambda x: x, [text], tf.string)
            },
            "got PyFunc",
        ),
        (
            lambda text: {
                "length": tf.function(tf.square, jit_compile=True)(
                    tf.strings.length(text)
                )
            },
            "without functions compiled by XLA",
        ),
    ],
)
def test_op_that_does_not_run_everywhere_is_refused(
    translator, tmp_path, monkeypatch, function, message
):
    monkeypatch.setattr(
        saved_model, "_signatures", lambda model: _echo(function)
    )
    with pytest.raises(ValueError, match=message):
        zoo.export(translator, tmp_path / "1")
    assert not list(tmp_path.iterdir())


def test_other_models_and_missing_preprocessors_are_refused(
    translator, tmp_path
):
    with pytest.raises(TypeError, match="Seq2Seq.*got Sequential"):
        zoo.export(keras.Sequential(), tmp_path / "1")
    model = zoo.models.Seq2Seq(translator.backbone, None)
    with pytest.raises(ValueError, match="preprocessor=None"):
        zoo.export(model, tmp_path / "1")
