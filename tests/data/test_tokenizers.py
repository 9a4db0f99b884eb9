"""What holds for every tokenizer."""

import json
import os
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from zoo.data import CharacterTokenizer
from zoo.data import SubwordTokenizer
from zoo.data import Tokenizer
from zoo.data import WordTokenizer
from zoo.data import make_tokenizer
from zoo.data.cmn_eng import read_split

SPECIAL = ["<pad>", "<unk>", "<sos>", "<eos>"]
CLASSES = {
    "character": CharacterTokenizer,
    "word": WordTokenizer,
    "subword": SubwordTokenizer,
}
ODD_TEXTS = [
    "",
    "   ",
    "字" * 1000,
    "x" * 1000,
    "I love 中国 🎉👍🏽!",
    b"ab\xff\xc3 c",
    "a\0b\0",
    "Tom",
    "<eos> <unk> <pad>",
    "▁ \ufffd",
]


def train(kind, texts, **kwargs):
    sizes = {"subword": 3400}
    kwargs.setdefault("vocabulary_size", sizes.get(kind))
    return make_tokenizer(kind, texts, **kwargs)


@pytest.fixture(scope="module")
def sentences():
    examples = read_split("dev")
    return {
        "en": [e.en for e in examples],
        "zh": [e.zh for e in examples],
        "mixed": [e.zh + e.en for e in examples[:200]],
    }


@pytest.fixture(scope="module")
def tokenizers(sentences):
    texts = sentences["en"] + sentences["zh"]
    return {kind: train(kind, texts, simplify=True) for kind in CLASSES}


@pytest.fixture(params=list(CLASSES))
def tokenizer(request, tokenizers):
    return tokenizers[request.param]


def decode(strings):
    return [text.decode() for text in strings.numpy()]


def test_class_and_kind(tokenizer):
    assert type(tokenizer) in CLASSES.values()
    assert isinstance(tokenizer, Tokenizer)


@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
def test_detokenize_inverts_tokenize_on_the_corpus(
    tokenizer, sentences, language
):
    texts = sentences[language]
    ids = tokenizer(texts)
    if type(tokenizer) is not WordTokenizer or language != "mixed":
        assert not tf.reduce_any(ids == 1)  # learnt on these very texts
        expected = [tokenizer.normalizer.normalize(text) for text in texts]
        assert decode(tokenizer.detokenize(ids)) == expected


def test_special_ids_come_first(tokenizer):
    assert tokenizer.get_vocabulary()[:4] == SPECIAL
    assert (
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.start_token_id,
        tokenizer.end_token_id,
    ) == (0, 1, 2, 3)
    assert sorted(tokenizer.special_token_ids) == [0, 2, 3]


def test_text_of_a_special_token_is_not_that_token(tokenizer):
    ids = tokenizer("<pad><unk><sos><eos>").numpy()
    assert not set(ids) & {0, 2, 3}


def test_vocabulary_maps_both_ways(tokenizer):
    vocabulary = tokenizer.get_vocabulary()
    assert tokenizer.vocabulary_size() == len(vocabulary)
    for index in (0, 3, 4, len(vocabulary) - 1):
        assert tokenizer.token_to_id(vocabulary[index]) == index
        assert tokenizer.id_to_token(index) == vocabulary[index]
    assert tokenizer.token_to_id("no such token") == 1
    with pytest.raises(ValueError, match="Expected an id from 0"):
        tokenizer.id_to_token(len(vocabulary))


def test_ids_and_strings_are_the_same_tokens(tokenizer):
    texts = ["Tom 爱 Mary.", "", "他在等你"]
    ids = tokenizer(texts)
    strings = tokenizer.tokenize_to_strings(texts)
    assert ids.row_lengths().numpy().tolist() == (
        strings.row_lengths().numpy().tolist()
    )
    for index, text in zip(ids.flat_values, strings.flat_values, strict=True):
        assert tokenizer.id_to_token(int(index)) in (
            text.numpy().decode(),
            "<unk>",
        )


def test_display_shows_the_text_of_unknown_tokens(tokenizer):
    strings = decode(tokenizer.tokenize_to_strings("Tom 🎉"))
    assert "🎉" in strings[-1]
    assert tokenizer("Tom 🎉").numpy()[-1] == 1
    assert decode(tokenizer.detokenize(tokenizer(["Tom 🎉"]))) == ["Tom <unk>"]


def test_types_and_shapes(tokenizer):
    ids = tokenizer(["Tom", "", "Tom"])
    assert isinstance(ids, tf.RaggedTensor)
    assert ids.dtype == tf.int32
    assert ids.shape.as_list() == [3, None]
    single = tokenizer("Tom")
    assert single.dtype == tf.int32
    assert single.numpy().tolist() == ids[0].numpy().tolist()
    assert tokenizer([]).shape.as_list() == [0, None]
    assert tokenizer(tf.constant([], tf.string)).to_list() == []
    assert tokenizer("").shape == [0]
    assert tokenizer(["", " "]).to_list() == [[], []]
    assert tokenizer.detokenize(tokenizer([])).shape == [0]


def test_higher_rank_is_an_error(tokenizer):
    with pytest.raises(ValueError, match=r"shape \(1, 1\)"):
        tokenizer.tokenize([["a"]])


def test_odd_texts_give_what_each_gives_alone(tokenizer):
    function = tf.function(tokenizer.tokenize)
    together = function(tf.constant(ODD_TEXTS)).to_list()
    assert together == [
        function(tf.constant([text])).to_list()[0] for text in ODD_TEXTS
    ]
    assert together[0] == together[1] == []
    texts = decode(tokenizer.detokenize(tf.ragged.constant(together)))
    assert texts[2] == "字" * 1000 or "<unk>" in texts[2]
    assert texts[6] == "a b" or "<unk>" in texts[6]


def test_eager_graph_and_data_pipeline_agree(tokenizer, sentences):
    texts = sentences["en"][:50] + sentences["zh"][:50]
    eager = tokenizer(texts).to_list()
    graph = tf.function(
        tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    assert graph(texts).to_list() == eager
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    rows = []
    for batch in dataset.batch(7).map(tokenizer):
        rows += batch.to_list()
    assert rows == eager
    assert [row.numpy().tolist() for row in dataset.map(tokenizer)] == eager


def test_tokenizer_made_inside_a_graph_works():
    @tf.function
    def function(texts):
        return CharacterTokenizer([*SPECIAL, "a"])(texts)

    assert function(tf.constant(["aba"])).to_list() == [[4, 1, 4]]


def test_detokenize_stops_at_the_end_and_drops_padding(tokenizer):
    tom = tokenizer("Tom").numpy().tolist()
    padding = [0] * 3
    rows = [
        [2, *tom, 3, *tom][:9],
        [*tom, *padding],
        [3, *tom],
        [2],
    ]
    rows = tf.ragged.constant(rows, dtype=tf.int32)
    expected = ["Tom", "Tom", "", ""]
    assert decode(tokenizer.detokenize(rows)) == expected
    assert decode(tokenizer.detokenize(rows.to_tensor())) == expected
    beams = tf.cast(rows.to_tensor()[:, None], tf.int64)
    assert tokenizer.detokenize(beams).shape == [4, 1]


def test_detokenize_takes_ids_outside_of_the_vocabulary(tokenizer):
    ids = [[tokenizer.vocabulary_size() + 5, -1]]
    texts = decode(tokenizer.detokenize(ids))
    assert texts[0].count("<unk>") == 2


def test_training_is_the_same_every_time(tokenizer, sentences):
    texts = sentences["en"] + sentences["zh"]
    kind = {value: key for key, value in CLASSES.items()}[type(tokenizer)]
    again = train(kind, iter(texts), simplify=True)
    assert again.get_config() == {**tokenizer.get_config(), "name": again.name}


def test_config_holds_everything(tokenizer):
    config = json.loads(json.dumps(tokenizer.get_config()))
    again = type(tokenizer).from_config(config)
    texts = ["Tom愛ＡＢ。", "I'm fine 🎉"]
    assert again(texts).to_list() == tokenizer(texts).to_list()
    assert again.get_config() == tokenizer.get_config()


@pytest.mark.parametrize(
    "arguments",
    [
        {"lowercase": True},
        {"simplify": True},
        {"normalization_table": {"x": "y"}},
        {"config_file": "source_tokenizer.json"},
        {"name": "mine"},
    ],
)
@pytest.mark.parametrize("kind", list(CLASSES))
def test_every_argument_survives_the_config(kind, arguments):
    tokenizer = CLASSES[kind](SPECIAL, **_scores(kind, SPECIAL), **arguments)
    again = type(tokenizer).from_config(tokenizer.get_config())
    for name, value in arguments.items():
        found = (
            getattr(again.normalizer, name)
            if name in ("lowercase", "simplify")
            else getattr(again, name)
        )
        assert found == value
    assert again.normalization_table == tokenizer.normalization_table


def _scores(kind, vocabulary):
    return {"scores": [0.0] * len(vocabulary)} if kind == "subword" else {}


def test_keras_serialization_keeps_the_tokenizer(tokenizer):
    text = json.dumps(keras.saving.serialize_keras_object(tokenizer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(tokenizer)
    assert again(["Tom愛。"]).to_list() == tokenizer(["Tom愛。"]).to_list()


@pytest.mark.parametrize("config_file", ["tokenizer.json", "other.json"])
def test_preset_keeps_the_tokenizer(tokenizer, config_file, tmp_path):
    config = {**tokenizer.get_config(), "config_file": config_file}
    type(tokenizer).from_config(config).save_to_preset(str(tmp_path))
    folder = config_file.split(".")[0]
    names = sorted(os.listdir(tmp_path / "assets" / folder))
    assert names == sorted(tokenizer.file_assets)
    assert all(name.endswith((".txt", ".tsv")) for name in names)
    saved = json.loads((tmp_path / config_file).read_text())
    again = keras.saving.deserialize_keras_object(saved)
    again.load_preset_assets(str(tmp_path))
    assert again.get_config() == config


def test_assets_alone_restore_the_tokenizer(tokenizer, tmp_path):
    tokenizer.save_assets(str(tmp_path))
    again = type(tokenizer)(simplify=True)
    again.load_assets(str(tmp_path))
    texts = ["Tom 愛ＡＢ。", "I'm fine 🎉"]
    assert again(texts).to_list() == tokenizer(texts).to_list()


def _exported(tokenizer, held, folder):
    """Exports text -> ids, text and tokens; returns the function."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(text):
        ids = tokenizer.tokenize(text)
        return {
            "ids": ids.to_tensor(),
            "text": tokenizer.detokenize(ids),
            "tokens": tokenizer.tokenize_to_strings(text).to_tensor(),
        }

    module = tf.Module()
    module.held, module.serve = held, serve
    tf.saved_model.save(module, str(folder), signatures=serve)
    return serve


def test_resources_are_all_that_an_export_has_to_hold(tokenizers, tmp_path):
    tokenizer = tokenizers["subword"]  # which has the most
    serve = _exported(tokenizer, tokenizer.resources, tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    found = loaded.signatures["serving_default"](tf.constant(ODD_TEXTS))
    expected = serve(tf.constant(ODD_TEXTS))
    assert found["ids"].numpy().tolist() == expected["ids"].numpy().tolist()
    assert decode(found["text"]) == decode(expected["text"])


_LOAD = """
import json, pathlib, sys
import tensorflow as tf
texts, results = json.loads(sys.argv[2]), {}
for folder in pathlib.Path(sys.argv[1]).iterdir():
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert serve(tf.constant([], tf.string))["ids"].shape[0] == 0
    found = serve(tf.constant(texts))
    decode = lambda tensor: [text.decode() for text in tensor.numpy().ravel()]
    results[folder.name] = {
        "ids": found["ids"].numpy().tolist(),
        "text": decode(found["text"]),
        "tokens": decode(found["tokens"]),
    }
imported = {name.split(".")[0] for name in sys.modules}
assert not imported & {"zoo", "keras_hub", "tensorflow_text", "opencc"}
print(json.dumps(results))
"""


def test_saved_model_needs_tensorflow_only(tokenizers, tmp_path):
    texts = [text for text in ODD_TEXTS if isinstance(text, str)]
    texts.append("我愛　中國")
    expected = {}
    for kind, tokenizer in tokenizers.items():
        serve = _exported(tokenizer, tokenizer, tmp_path / kind)
        found = serve(tf.constant(texts))
        expected[kind] = {
            "ids": found["ids"].numpy().tolist(),
            "text": decode(found["text"]),
            "tokens": decode(tf.reshape(found["tokens"], [-1])),
        }
    result = subprocess.run(
        [sys.executable, "-c", _LOAD, tmp_path, json.dumps(texts)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert json.loads(result.stdout) == expected


@pytest.mark.parametrize("kind", list(CLASSES))
@pytest.mark.parametrize(
    ("vocabulary", "error", "match"),
    [
        ("abcd", TypeError, "list of strings"),
        ([*SPECIAL, 5], TypeError, "list of strings"),
        (["a", "b"], ValueError, "start with the special tokens"),
        ([*SPECIAL, "a", "a"], ValueError, r"more than once: \['a'\]"),
        ([*SPECIAL, "a\n"], ValueError, "line breaks"),
    ],
)
def test_wrong_vocabularies(kind, vocabulary, error, match):
    with pytest.raises(error, match=match):
        CLASSES[kind](vocabulary)


@pytest.mark.parametrize("kind", list(CLASSES))
def test_missing_vocabulary_says_what_to_do(kind):
    with pytest.raises(ValueError, match=r"train\(texts\)"):
        CLASSES[kind]()("a")


@pytest.mark.parametrize("kind", list(CLASSES))
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"texts": [], "vocabulary_size": 9}, "Received none"),
        ({"texts": ["", " "], "vocabulary_size": 9}, "only empty ones"),
        ({"texts": ["a"], "vocabulary_size": 4}, "at least 5.*: 4"),
        ({"texts": ["a"], "vocabulary_size": 9.5}, "Received: 9.5"),
        (
            {"texts": ["a"], "vocabulary_size": 9, "min_frequency": 0},
            "min_frequency",
        ),
    ],
)
def test_wrong_training_arguments(kind, arguments, match):
    with pytest.raises(ValueError, match=match):
        make_tokenizer(kind, **arguments)


def test_one_string_is_no_list_of_texts():
    with pytest.raises(TypeError, match="iterable of strings"):
        make_tokenizer("character", "a text")


@pytest.mark.parametrize(
    ("kind", "near"), [("characters", "character"), ("subwords", "subword")]
)
def test_unknown_kind_suggests_the_nearest(kind, near):
    with pytest.raises(ValueError, match=f"Did you mean '{near}'"):
        make_tokenizer(kind, ["a"])


def test_unknown_kind_lists_them_all():
    with pytest.raises(
        ValueError, match="'character', 'word', 'whitespace', 'subword'"
    ):
        make_tokenizer("zzz", ["a"])
