"""The models in saved_models/ do what README and their cards say."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import sacrebleu

import zoo
from recipes import shakespeare
from zoo.data.cmn_eng import read_split

HOME = pathlib.Path(__file__).parents[1] / "saved_models"
TRANSLATORS = ("zh_en", "zh_en_plain")
WRITER = "shakespeare"
SENTENCE = "我爱中国"
EVERY = 10  # one in so many sentences of the test set

# Processes that know nothing of this package.
CLIENT = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
{}
assert not {{"zoo", "keras_hub", "tensorflow_text"}} & set(sys.modules)
"""
TRANSLATE = CLIENT.format("""
text = model.signatures["serving_default"](text=tf.constant(sys.argv[2:]))
print(json.dumps([x.decode() for x in text["text"].numpy()]))
""")
WRITE = CLIENT.format("""
written = model.signatures["generate"](
    prompt=tf.constant(sys.argv[2:]),
    max_tokens=tf.constant(60),
    temperature=tf.constant(0.7),
    seed=tf.constant(7),
)["text"]
scores = model.signatures["score"](text=tf.constant(sys.argv[2:]))
print(json.dumps([
    [x.decode() for x in written.numpy()],
    scores["log_probability"].numpy().tolist(),
    scores["tokens"].numpy().tolist(),
]))
""")


@pytest.fixture(scope="module", params=TRANSLATORS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return zoo.load(HOME / name)


def figures(name):
    """The figures on a model's card."""
    card = (HOME / name / "README.md").read_text(encoding="utf-8")
    lines = dict(
        x.split(": ", 1) for x in card.split("---")[1].split("\n") if x
    )
    return json.loads(lines["figures"])


def answer(program, name, texts, folder):
    """What a program with TensorFlow alone prints about a model."""
    found = subprocess.run(
        [sys.executable, "-I", "-c", program, str(HOME / name / "1"), *texts],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(found.stdout)


def size(folder):
    return sum(x.stat().st_size for x in folder.rglob("*") if x.is_file())


def test_the_models_of_the_readme_are_there():
    found = sorted(path.name for path in HOME.iterdir() if path.is_dir())
    assert found == sorted([*TRANSLATORS, WRITER])


@pytest.mark.parametrize("name", [*TRANSLATORS, WRITER])
def test_a_saved_model_is_below_40_megabytes(name):
    assert size(HOME / name / "1") < 40e6


def test_tensorflow_alone_says_what_the_preset_says(name, model, tmp_path):
    texts = [SENTENCE, "", "他在等你", "我沒事。"]
    found = answer(TRANSLATE, name, texts, tmp_path)
    assert found == model.translate(texts)


def test_a_sample_of_the_test_set_comes_out_as_the_card_says(name, model):
    examples = list(read_split("test"))[::EVERY]
    found = model.translate([x.zh for x in examples], beam_width=1)
    bleu = sacrebleu.corpus_bleu(found, [[x.en for x in examples]]).score
    # 200 sentences of 2,000: their BLEU is not quite that of all
    assert abs(bleu - figures(name)["test BLEU, greedy"]) < 4


def test_i_love_china():
    model = zoo.load(HOME / "zh_en")
    [found] = model.translate([SENTENCE], return_alignments=True)
    assert found.text == "I love China."
    assert [*found.source_tokens[:4]] == list(SENTENCE)
    looked_at = np.argmax(found.alignments, axis=1)
    read = dict(zip(found.target_tokens, looked_at, strict=True))
    assert read["▁I"] == 0
    assert read["▁love"] == 1
    assert read["▁China"] in (2, 3)


def test_attention_is_what_makes_the_difference():
    for measure in ("test BLEU, beam 5", "test BLEU, greedy", "test chrF2"):
        assert figures("zh_en")[measure] > figures("zh_en_plain")[measure] + 5


@pytest.fixture(scope="module")
def writer():
    return zoo.load(HOME / WRITER)


def test_tensorflow_alone_writes_and_scores(writer, tmp_path):
    prompts = ["ROMEO:", "To be", "", "爱"]
    written, scores, counts = answer(WRITE, WRITER, prompts, tmp_path)
    assert len(set(written)) == len(prompts)
    for text, prompt in zip(written[:2], prompts, strict=False):
        assert text.startswith(prompt) and len(text) > len(prompt)
    expected = writer.score(prompts)
    np.testing.assert_allclose([scores, counts], expected, rtol=1e-4)
    assert counts == [7, 6, 1, 2]  # the end of each included


def test_the_test_part_is_as_hard_as_the_card_says(writer):
    tokenizer, parts = shakespeare.load_data(shakespeare.BEST)
    ids = shakespeare.join(tokenizer, parts[2])
    found = shakespeare.bits_per_character(writer, ids, parts[2])
    expected = float(figures(WRITER)["bits per character, test"])
    assert abs(found - expected) < 0.002
