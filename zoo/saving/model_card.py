"""Model cards: what a model is, learnt from, scores, and how to call it."""

import dataclasses
import json
import os
import pathlib
import textwrap

from zoo.saving.catalog import CARD_FILE

# Facts that stand at the top of the card, where a program can read them.
_HEADER = ("name", "summary", "languages", "license", "figures")
# Facts that a language model has none of.
_OF_A_SEARCH = ("beam_width", "length_penalty")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The facts of a model, each measured or given, none made up here.

    Args:
        name: string, the model's name: the folder under `saved_models/`.
        summary: string, one sentence.
        languages: strings, source and target language as ISO 639-1 codes; of
            a language model, its own.
        license: string, SPDX identifier of the weights' licence.
        data: string, what the model learnt from, split and sizes, and the
            data's licence.
        attribution: string, whom the data's licence asks to be named.
        figures: dict from what was measured to the value, in the order they
            are shown: `{"test BLEU": 20.1, "signature": "nrefs:1|..."}`.
        training: dict from a fact of the training to its value: hardware,
            seed, time, epochs, weights.
        command: string, the command that made the model.
        examples: pairs (source, translation), or (prompt, text), that the
            model itself gave.
        limits: strings, what the model can't do.
        beam_width: integer, of the signature `serving_default`; `None` for a
            language model.
        length_penalty: float, the same.

    Example:

    >>> card = ModelCard(
    ...     name="demo", summary="Chinese to English.",
    ...     languages=("zh", "en"), license="Apache-2.0",
    ...     data="Ten sentences.", attribution="Nobody.",
    ...     figures={"test BLEU": 1.5}, training={"seed": 1},
    ...     command="python -m recipes.translate --preset tiny",
    ...     examples=[("你好", "Hello.")], limits=["Knows ten sentences."],
    ...     beam_width=5, length_penalty=1.0,
    ... )
    >>> print(card.render().splitlines()[8])
    # demo
    """

    name: str
    summary: str
    languages: tuple
    license: str
    data: str
    attribution: str
    figures: dict
    training: dict
    command: str
    examples: list
    limits: list
    beam_width: int | None
    length_penalty: float | None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            missing = isinstance(value, (str, dict, list, tuple)) and not value
            if value is None:
                missing = field.name not in _OF_A_SEARCH
            if missing:
                raise ValueError(
                    f"Expected a value for {field.name!r} of the model card, "
                    f"got {value!r}. A card without it helps nobody: say "
                    "'unknown' if it really is."
                )

    def render(self):
        """Returns the card as Markdown, headed by the facts for programs.

        The header is YAML, each value written as JSON.
        """
        header = "".join(
            f"{key}: {_json(getattr(self, key))}\n" for key in _HEADER
        )
        writes = self.beam_width is None
        calls = _calls_of_a_writer if writes else _calls_of_a_translator
        blocks = [
            f"---\n{header}---",
            f"# {self.name}",
            self.summary,
            "## Results",
            _table(("measure", "value"), self.figures.items()),
            _table(
                ("prompt", "text") if writes else ("source", "translation"),
                self.examples,
            ),
            "## How to call it",
            *calls(self),
            "## Data and licence",
            _wrap(self.data),
            _wrap(f"Attribution: {self.attribution}"),
            _wrap(f"Licence of the weights: {self.license}."),
            "## Training",
            _code(self.command, "bash"),
            _table(("fact", "value"), self.training.items()),
            "## Limits",
            "\n".join(_wrap(f"- {limit}", "  ") for limit in self.limits),
        ]
        return "\n\n".join(blocks) + "\n"


def write_model_card(folder, facts):
    """Writes the card of a model to `folder/README.md`.

    Args:
        folder: string or path, the model's folder; created if missing.
        facts: dict, the arguments of `ModelCard`.

    Returns:
        The path of the card.

    Raises:
        TypeError: If a fact is missing or has no place on the card.
        ValueError: If a fact is empty.

    Example:

    >>> import tempfile
    >>> facts = dict(
    ...     name="demo", summary="Chinese to English.",
    ...     languages=("zh", "en"), license="Apache-2.0",
    ...     data="Ten sentences.", attribution="Nobody.",
    ...     figures={"test BLEU": 1.5}, training={"seed": 1},
    ...     command="python -m recipes.translate --preset tiny",
    ...     examples=[("你好", "Hello.")], limits=["Knows ten sentences."],
    ...     beam_width=5, length_penalty=1.0,
    ... )
    >>> card = write_model_card(tempfile.mkdtemp(), facts)
    >>> read_model_card(card)[0]["figures"]
    {'test BLEU': 1.5}
    """
    card = ModelCard(**facts)
    path = pathlib.Path(folder, CARD_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(card.render(), encoding="utf-8")
    os.replace(temporary, path)
    return path


def read_model_card(path):
    """Reads a card.

    Args:
        path: string or path of the card's file.

    Returns:
        `(facts, text)`: the dict at its top (name, summary, languages,
        license, figures), empty if it has none; and the Markdown below.

    Raises:
        ValueError: If the top of the card can't be read.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "README.md")
    >>> _ = path.write_text('---\\nname: "tiny"\\n---\\n\\n# tiny\\n')
    >>> read_model_card(path)
    ({'name': 'tiny'}, '# tiny\\n')
    """
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if not text.startswith("---\n"):
        return {}, text
    header, mark, text = text.removeprefix("---\n").partition("\n---\n")
    facts = {}
    for number, line in enumerate(header.splitlines(), start=2):
        key, colon, value = line.partition(": ")
        try:
            facts[key] = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(
                "Expected lines 'key: value' with the value as JSON, got "
                f"{line!r} in {path}, line {number}. Cards are written by "
                "zoo.saving.write_model_card."
            ) from error
    return facts, text.lstrip("\n") if mark else ""


def _calls_of_a_translator(card):
    sentence = card.examples[0][0]
    return [
        "On the command line and in Python, with this package:",
        _code(f'zoo translate {card.name} "{sentence}"', "bash"),
        _code(
            f"import zoo\n\nmodel = zoo.load({_json(card.name)})\n"
            f"model.translate([{_json(sentence)}])",
            "python",
        ),
        "With TensorFlow alone, and in TensorFlow Serving:",
        _code(
            f"saved_model_cli run --dir saved_models/{card.name}/1 "
            "--tag_set serve \\\n    --signature_def serving_default "
            f"--input_exprs 'text=[{_json(sentence)}]'",
            "bash",
        ),
        _wrap(
            f"`serving_default` searches with beam width {card.beam_width}"
            f" and length penalty {card.length_penalty}; the signatures "
            "`greedy`, `nbest`, `tokenize` and, if the model has "
            "attention, `translate_with_alignments` take the same input."
        ),
    ]


def _calls_of_a_writer(card):
    prompt = card.examples[0][0]
    return [
        "On the command line and in Python, with this package:",
        _code(f'zoo write {card.name} "{prompt}" --seed 7', "bash"),
        _code(
            f"import zoo\n\nmodel = zoo.load({_json(card.name)})\n"
            f"model.generate([{_json(prompt)}])",
            "python",
        ),
        "With TensorFlow alone:",
        _code(
            "import tensorflow as tf\n\n"
            f'model = tf.saved_model.load("saved_models/{card.name}/1")\n'
            'model.signatures["generate"](\n'
            f"    prompt=tf.constant([{_json(prompt)}]),\n"
            "    max_tokens=tf.constant(200),\n"
            "    temperature=tf.constant(0.7),\n"
            "    seed=tf.constant(7),\n"
            ')["text"]',
            "python",
        ),
        _wrap(
            "The signature `score` takes `text` and gives `log_probability`, "
            "the natural logarithm, and the number of `tokens`, the end of "
            "the text included."
        ),
    ]


def _json(value):
    return json.dumps(value, ensure_ascii=False)


def _code(text, language):
    return f"```{language}\n{text}\n```"


def _wrap(text, indent=""):
    return textwrap.fill(
        text,
        width=79,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(head, rows):
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines
    )


def _cell(value):
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("\n", "<br>").replace("|", "\\|")
