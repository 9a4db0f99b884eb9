"""A recurrent language model on the Penn Treebank, or on any text.

    ZOO_DATA=FOLDER python -m recipes.ptb

is chapter 9.2 of the book: two LSTM layers of 300 units, softmax tied to the
embeddings, five epochs of plain gradient descent; half an hour on two cores.
The presets small, medium and large are those of Zaremba, Sutskever & Vinyals,
"Recurrent Neural Network Regularization" (2014). `--corpus wikitext-2` takes
another corpus, `--files train.txt valid.txt test.txt` texts of your own whose
tokens are separated by spaces. Ctrl-C ends the training; the best epoch so
far is evaluated and exported.
"""

import dataclasses
import pathlib
import time

import keras
import numpy as np

import zoo
from recipes import command_line
from recipes import language_model
from recipes.command_line import field
from recipes.corpora import read_texts
from recipes.report import Figure
from recipes.report import write_report


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("ptb", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    corpus: str = field("ptb", "ptb or wikitext-2")
    data: str = field("", "folder of corpora (default: $ZOO_DATA)")
    files: tuple = field((), "three text files in place of a corpus")
    vocabulary_size: int = field(0, "words to keep; 0: all")
    units: int = field(300, "width of each LSTM layer")
    layers: int = field(2, "LSTM layers")
    tied: bool = field(True, "share the embeddings with the softmax")
    embedding_dropout: float = field(0.1, "share dropped from embeddings")
    dropout: float = field(0.1, "share dropped from each layer's output")
    unit_forget_bias: bool = field(True, "forget gates' biases start at one")
    init: float = field(0.05, "weights start uniform between -init and init")
    batch_size: int = field(20, "pieces of the text, side by side")
    num_steps: int = field(35, "tokens until the gradient is cut")
    epochs: int = field(5, "times through the text")
    learning_rate: float = field(1.0, "of gradient descent")
    decay: float = field(1.0, "factor on the learning rate, each epoch")
    decay_after: int = field(5, "epochs before the first decay")
    clip: float = field(5.0, "largest global norm of a gradient")
    seed: int = field(1, "of weights and dropout")
    train_first: bool = field(
        True, "without it: evaluate what is in the folder"
    )


BOOK = Config()
SMALL = dataclasses.replace(
    BOOK,
    name="ptb_small",
    units=200,
    tied=False,
    embedding_dropout=0.0,
    dropout=0.0,
    unit_forget_bias=False,
    init=0.1,
    num_steps=20,
    epochs=13,
    decay=0.5,
    decay_after=4,
)
MEDIUM = dataclasses.replace(
    SMALL,
    name="ptb_medium",
    units=650,
    embedding_dropout=0.5,
    dropout=0.5,
    init=0.05,
    num_steps=35,
    epochs=39,
    decay=0.8,
    decay_after=6,
)
PRESETS = {
    "book": BOOK,
    "small": SMALL,
    "medium": MEDIUM,
    "large": dataclasses.replace(
        MEDIUM,
        name="ptb_large",
        units=1500,
        embedding_dropout=0.65,
        dropout=0.65,
        init=0.04,
        clip=10.0,
        epochs=55,
        decay=1 / 1.15,
        decay_after=14,
    ),
    "smoke": dataclasses.replace(
        BOOK,
        name="ptb_smoke",
        units=16,
        batch_size=4,
        num_steps=8,
        epochs=2,
    ),
}
# Preset: perplexity on valid and on test, and where it is printed.
REFERENCES = {
    "ptb": (108.727, 104.901, "chapter 9.2; reruns of it 103.6 to 105.2"),
    "ptb_small": (120.7, 114.5, "Zaremba et al. 2014"),
    "ptb_medium": (86.2, 82.7, "Zaremba et al. 2014"),
    "ptb_large": (82.2, 78.4, "Zaremba et al. 2014"),
}


def load_data(config):
    """The tokenizer, and each part as one row of token ids."""
    parts = read_texts(config.corpus, config.files, config.data)
    tokenizer = zoo.data.WhitespaceTokenizer.train(
        parts[0], config.vocabulary_size or None
    )
    end = np.array([tokenizer.end_token_id])
    ids = []
    for lines in parts:
        rows = tokenizer.tokenize(lines).to_list()
        ids.append(np.concatenate([np.append(row, end) for row in rows]))
    return tokenizer, [x.astype("int32") for x in ids]


def build_backbone(config, tokenizer):
    """The network, which carries its state from batch to batch."""
    return zoo.models.LanguageModelBackbone(
        tokenizer.vocabulary_size(),
        units=config.units,
        num_layers=config.layers,
        tie_embeddings=config.tied,
        embedding_dropout=config.embedding_dropout,
        layer_dropout=config.dropout,
        dropout=config.dropout,
        unit_forget_bias=config.unit_forget_bias,
        initializer_range=config.init,
        carry_batch_size=config.batch_size,
    )


def train_model(config, model, ids, folder):
    """Fits the model; the best epoch's weights go to best.weights.h5."""
    model.compile(
        keras.optimizers.SGD(config.learning_rate, global_clipnorm=config.clip),
        zoo.training.TokenCrossentropy(sum_over_time=True),
        jit_compile=False,
    )
    language_model.train(
        config,
        model,
        zoo.data.contiguous_batches(
            ids[0], config.batch_size, config.num_steps
        ),
        language_model.Epochs(
            learning_rates(config), ids[1], folder / "best.weights.h5"
        ),
        folder,
    )


def learning_rates(config):
    """The learning rate of each epoch."""
    decays = [max(0, i + 1 - config.decay_after) for i in range(config.epochs)]
    return [config.learning_rate * config.decay**n for n in decays]


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    tokenizer, ids = load_data(config)
    print("tokens in train, valid and test:", *(f"{len(x):,}" for x in ids))
    model = zoo.models.LanguageModel(
        build_backbone(config, tokenizer),
        zoo.models.LanguageModelPreprocessor(tokenizer),
    )
    if config.train_first:
        train_model(config, model, ids, folder)
    model = language_model.best_model(model, folder, config.seed)
    valid, test, source = REFERENCES.get(config.name, ("", "", ""))
    figures = [
        Figure("weights", f"{model.count_params():,}"),
        Figure(
            "perplexity on valid",
            f"{model.perplexity(ids[1]):.2f}",
            valid,
            source,
        ),
        Figure(
            "**perplexity on test**",
            f"{model.perplexity(ids[2]):.2f}",
            test,
            source,
        ),
    ]
    written = model.generate(["the", "mr.", ""], max_length=30)
    sections = {"It writes": "\n".join(f"- {text}" for text in written)}
    return write_report(
        folder, "recipes.ptb", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
