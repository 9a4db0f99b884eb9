"""A language model of characters that writes like Shakespeare.

    python -m recipes.shakespeare

trains two LSTM layers on the 40,000 lines in `recipes/texts`, in 46 minutes
on one core, and lets them write. Each speech is a text that ends in <eos>;
given a name and a colon, the model says what the person says. `--file` takes
a text of your own whose paragraphs are separated by empty lines. Ctrl-C ends
the training; the best epoch so far is evaluated and exported.
"""

import dataclasses
import math
import pathlib
import time

import keras
import numpy as np

import zoo
from recipes import command_line
from recipes import language_model
from recipes.command_line import field
from recipes.report import Figure
from recipes.report import command
from recipes.report import training_facts
from recipes.report import write_report
from zoo.data.readers import read_lines

TEXT = pathlib.Path(__file__).with_name("texts") / "tiny_shakespeare.txt.xz"
PROMPTS = ("ROMEO:", "First Citizen:", "To be", "")
DATA = (
    "The 40,000 lines of Shakespeare's plays that Andrej Karpathy put together "
    "as tiny-shakespeare, 1,115,394 characters, public domain: the first 90 "
    "percent of the speeches for training, 5 for choosing (valid), 5 for the "
    "figures (test)."
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("shakespeare", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    file: str = field(str(TEXT), "a text, UTF-8")
    characters: int = field(0, "how many of it to take; 0: all")
    embedding_dim: int = field(64, "width of the embeddings")
    units: int = field(256, "width of each LSTM layer")
    layers: int = field(2, "LSTM layers")
    dropout: float = field(0.3, "share dropped from each layer's output")
    batch_size: int = field(50, "pieces of the text, side by side")
    num_steps: int = field(100, "characters until the gradient is cut")
    epochs: int = field(30, "times through the text")
    learning_rate: float = field(4e-3, "of Adam, falling to zero as a cosine")
    clip: float = field(1.0, "largest global norm of a gradient")
    seed: int = field(1, "of weights, dropout and what it writes")
    train_first: bool = field(
        True, "without it: evaluate what is in the folder"
    )


BEST = Config()
PRESETS = {
    "best": BEST,
    "smoke": dataclasses.replace(
        BEST,
        name="shakespeare_smoke",
        characters=40_000,
        embedding_dim=16,
        units=32,
        layers=1,
        dropout=0.0,
        batch_size=16,
        num_steps=40,
        epochs=3,
        learning_rate=2e-2,
    ),
}


def load_data(config):
    """The tokenizer, and the paragraphs: 90, 5 and 5 percent of them."""
    text = "\n".join(line for _, line in read_lines(config.file))
    text = text[: config.characters or None]
    paragraphs = [x for x in text.split("\n\n") if x.strip()]
    if len(paragraphs) < 20:
        raise zoo.data.DataError(
            f"{config.file}: expected at least 20 paragraphs with an empty "
            f"line between them, got {len(paragraphs)}. Put empty lines where "
            "a text may end."
        )
    ends = [len(paragraphs) * share // 100 for share in (90, 95)]
    parts = [
        paragraphs[: ends[0]],
        paragraphs[ends[0] : ends[1]],
        paragraphs[ends[1] :],
    ]
    tokenizer = zoo.data.CharacterTokenizer.train(
        parts[0],
        normalization_table=zoo.data.build_table(keep_lines=True),
    )
    return tokenizer, parts


def join(tokenizer, paragraphs):
    """Paragraphs as one row of ids, <eos> after each."""
    ids = tokenizer.tokenize(paragraphs).to_list()
    end = tokenizer.end_token_id
    return np.concatenate([[*row, end] for row in ids]).astype("int32")


def build_model(config, tokenizer):
    """The model, which carries its state from batch to batch."""
    return zoo.models.LanguageModel(
        zoo.models.LanguageModelBackbone(
            tokenizer.vocabulary_size(),
            units=config.units,
            num_layers=config.layers,
            embedding_dim=config.embedding_dim,
            tie_embeddings=False,
            layer_dropout=config.dropout,
            dropout=config.dropout,
            carry_batch_size=config.batch_size,
        ),
        zoo.models.LanguageModelPreprocessor(tokenizer, sequence_length=500),
    )


def train_model(config, model, ids, folder):
    """Fits the model; the best epoch's weights go to best.weights.h5."""
    data = zoo.data.contiguous_batches(
        ids[0], config.batch_size, config.num_steps
    )
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, len(data) * config.epochs
    )
    model.compile(
        keras.optimizers.Adam(rate, global_clipnorm=config.clip),
        zoo.training.TokenCrossentropy(),
        jit_compile=False,
    )
    epochs = language_model.Epochs(
        None, ids[1], folder / "best.weights.h5", rows=16
    )
    language_model.train(config, model, data, epochs, folder)


def bits_per_character(model, ids, paragraphs):
    """What a character costs, the two line breaks between paragraphs too."""
    nats = math.log(model.perplexity(ids)) * (len(ids) - 1)
    characters = sum(len(x) + 2 for x in paragraphs)
    return nats / characters / math.log(2)


def write_card(config, figures, written, folder):
    """Writes the model's card."""
    shipped = config.file == str(TEXT)
    zoo.saving.write_model_card(
        folder / "model",
        {
            "name": config.name,
            "summary": "Writes English by characters"
            + (", like Shakespeare." if shipped else "."),
            "languages": ("en",),
            "license": "Apache-2.0" if shipped else "unknown",
            "data": DATA if shipped else f"The text {config.file}.",
            "attribution": "William Shakespeare" if shipped else "unknown",
            "figures": {x.name.strip("*"): x.here for x in figures},
            "training": {
                "epochs": config.epochs,
                "seed": config.seed,
                **training_facts(folder),
            },
            "command": command("recipes.shakespeare"),
            "examples": list(zip(PROMPTS, written, strict=True)),
            "limits": [
                "Knows spelling, names and the look of a play; its sentences "
                "hardly make sense, and some of its words are none.",
                f"Has read characters of its text alone ({config.units} units "
                f"in {config.layers} layers): others are unknown to it.",
            ],
            "beam_width": None,
            "length_penalty": None,
        },
    )


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    tokenizer, parts = load_data(config)
    ids = [join(tokenizer, paragraphs) for paragraphs in parts]
    print("tokens in train, valid and test:", *(f"{len(x):,}" for x in ids))
    model = build_model(config, tokenizer)
    if config.train_first:
        train_model(config, model, ids, folder)
    model = language_model.best_model(model, folder, config.seed)
    bits = [
        f"{bits_per_character(model, x, paragraphs):.3f}"
        for x, paragraphs in zip(ids, parts, strict=True)
    ]
    figures = [
        Figure("weights", f"{model.count_params():,}"),
        Figure("bits per character, train", bits[0]),
        Figure("bits per character, valid", bits[1]),
        Figure("**bits per character, test**", bits[2]),
    ]
    written = model.sample_tensor(PROMPTS, 300, 0.7, config.seed)
    written = [text.decode() for text in written.numpy()]
    sections = {
        "It writes, at temperature 0.7": "\n\n".join(
            f"```\n{text}\n```" for text in written
        )
    }
    write_card(config, figures, written, folder)
    return write_report(
        folder, "recipes.shakespeare", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
