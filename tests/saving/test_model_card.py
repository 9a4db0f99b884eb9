import re

import pytest

from zoo.saving import read_model_card
from zoo.saving import write_model_card


def test_card_says_every_fact(tmp_path, model_card):
    text = write_model_card(tmp_path / "new", model_card).read_text("utf-8")
    for fact in (
        "# tiny",
        "Chinese to English, untrained.",
        "| test BLEU | 0.125 |",
        "| signature | nrefs:1\\|case:mixed |",
        "| 我爱中国 | you you \\| you |",
        'zoo translate tiny "我爱中国"',
        'zoo.load("tiny")',
        "--dir saved_models/tiny/1 --tag_set serve",
        "beam width 5",
        "length penalty 0.7",
        "None: the weights are random numbers.",
        "Attribution: nobody.",
        "Licence of the weights: Apache-2.0.",
        "python -m recipes.translate --preset tiny",
        "| seed | 5 |",
        "- It has learnt nothing.",
    ):
        assert fact in re.sub(r"(?<=\w)\n(?=\w)", " ", text)


def test_card_of_a_language_model_says_how_it_writes(tmp_path, model_card):
    facts = {
        **model_card,
        "beam_width": None,
        "length_penalty": None,
        "examples": [("KING:", "KING:\nNo.")],
    }
    text = write_model_card(tmp_path, facts).read_text("utf-8")
    for fact in (
        "| prompt | text |",
        "| KING: | KING:<br>No. |",
        'zoo write tiny "KING:"',
        'prompt=tf.constant(["KING:"])',
        "The signature `score` takes `text`",
    ):
        assert fact in text
    for word in ("translate", "beam", "None:"):
        assert word not in text.replace(model_card["command"], "").replace(
            model_card["data"], ""
        )


def test_facts_at_the_top_come_back(tmp_path, model_card):
    path = write_model_card(tmp_path, model_card)
    facts, text = read_model_card(path)
    assert facts == {
        "name": "tiny",
        "summary": "Chinese to English, untrained.",
        "languages": ["zh", "en"],
        "license": "Apache-2.0",
        "figures": model_card["figures"],
    }
    assert text.startswith("# tiny\n")
    assert path.read_text("utf-8").endswith(text)


def test_plain_markdown_is_a_card_without_facts(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# A model\n")
    assert read_model_card(path) == ({}, "# A model\n")


def test_broken_top_names_file_and_line(tmp_path):
    path = tmp_path / "README.md"
    path.write_text('---\nname: "a"\nsummary: no JSON\n---\n')
    with pytest.raises(ValueError, match=r"README\.md, line 3"):
        read_model_card(path)


def test_missing_unknown_and_empty_facts_are_refused(tmp_path, model_card):
    for name in model_card:
        facts = {key: model_card[key] for key in model_card if key != name}
        with pytest.raises(TypeError, match=name):
            write_model_card(tmp_path, facts)
    with pytest.raises(TypeError, match="bleu"):
        write_model_card(tmp_path, {**model_card, "bleu": 1.0})
    with pytest.raises(ValueError, match="'attribution'.*''"):
        write_model_card(tmp_path, {**model_card, "attribution": ""})
    assert not list(tmp_path.iterdir())


def test_zero_is_a_figure_like_any_other(tmp_path, model_card):
    facts = {**model_card, "length_penalty": 0.0}
    assert "length penalty 0.0" in write_model_card(tmp_path, facts).read_text(
        "utf-8"
    )
