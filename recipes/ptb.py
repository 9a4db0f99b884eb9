"""A recurrent language model on the Penn Treebank, or on any text.

    ZOO_DATA=FOLDER python -m recipes.ptb

is chapter 9.2 of the book: two LSTM layers of 300 units, softmax tied to the
embeddings, five epochs of plain gradient descent; half an hour on one core.
Preset best takes two hours. The presets small, medium and large are
those of Zaremba, Sutskever & Vinyals, "Recurrent Neural Network
Regularization" (2014), awd that of Merity, Keskar & Socher (2018), mogrifier
that of Melis, Kocisky & Blunsom (2020) in its size; large, awd and mogrifier
want a GPU. `--dynamic` also measures the model while it learns from the text
that it reads. `--corpus wikitext-2` takes another corpus,
`--files train.txt valid.txt test.txt` texts of your own whose tokens are
separated by spaces. Ctrl-C ends the training; the best epoch so far is
evaluated and exported.
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
    embedding_dim: int = field(0, "width of the embeddings; 0: as units")
    mogrifier: int = field(0, "rounds of a Mogrifier LSTM; 0: a plain LSTM")
    mogrifier_rank: int = field(0, "rank of its kernels; 0: full")
    tied: bool = field(True, "share the embeddings with the softmax")
    embedding_dropout: float = field(0.1, "share dropped from embeddings")
    layer_dropout: float = field(0.1, "share dropped between the layers")
    dropout: float = field(0.1, "share dropped from the last layer's output")
    word_dropout: float = field(0.0, "share of words dropped as a whole")
    weight_drop: float = field(0.0, "share dropped from recurrent kernels")
    variational: bool = field(False, "drop the same at all steps")
    alpha: float = field(0.0, "price of large outputs")
    beta: float = field(0.0, "price of outputs that change fast")
    unit_forget_bias: bool = field(True, "forget gates' biases start at one")
    init: float = field(0.05, "weights start within this; 0: as Keras has it")
    batch_size: int = field(20, "pieces of the text, side by side")
    num_steps: int = field(35, "tokens until the gradient is cut")
    random_steps: bool = field(False, "batches of random lengths around it")
    epochs: int = field(5, "times through the text")
    optimizer: str = field("sgd", "sgd, with the loss summed over steps; adam")
    learning_rate: float = field(1.0, "of the optimizer")
    cosine: bool = field(False, "let it fall to zero as a cosine")
    decay: float = field(1.0, "factor on the learning rate, each epoch")
    decay_after: int = field(5, "epochs before the first decay")
    clip: float = field(5.0, "largest global norm of a gradient")
    weight_decay: float = field(0.0, "of the optimizer, times learning rate")
    average_after: int = field(
        0, "epochs without gain before averaging; 0: off"
    )
    valid_rows: int = field(1, "pieces that valid is read in, each epoch")
    dynamic: bool = field(False, "also measure it learning from the test")
    dynamic_rates: tuple = field(
        (3e-5, 1e-4, 3e-4), "valid chooses one of these learning rates"
    )
    dynamic_decay: float = field(1e-3, "share of the way back, each piece")
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
    layer_dropout=0.0,
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
    layer_dropout=0.5,
    dropout=0.5,
    init=0.05,
    num_steps=35,
    epochs=39,
    decay=0.8,
    decay_after=6,
)
# Merity, Keskar & Socher take the mean over 70 steps, which is scaled with a
# batch's length, where here the sum over its steps is taken.
AWD = dataclasses.replace(
    BOOK,
    name="ptb_awd",
    units=1150,
    layers=3,
    embedding_dim=400,
    embedding_dropout=0.4,
    layer_dropout=0.25,
    dropout=0.4,
    word_dropout=0.1,
    weight_drop=0.5,
    variational=True,
    alpha=2.0 * 70,
    beta=1.0 * 70,
    unit_forget_bias=False,
    init=0.0,
    num_steps=70,
    random_steps=True,
    epochs=500,
    learning_rate=30 / 70,
    clip=0.25 * 70,
    weight_decay=1.2e-6 * 70,
    average_after=5,
    valid_rows=10,
)
PRESETS = {
    "book": BOOK,
    # Zaremba et al.'s width, tied, and a cosine in place of 39 epochs
    "best": dataclasses.replace(
        BOOK,
        name="ptb_best",
        units=650,
        embedding_dropout=0.4,
        layer_dropout=0.5,
        dropout=0.5,
        epochs=20,
        cosine=True,
        valid_rows=20,
    ),
    "small": SMALL,
    "medium": MEDIUM,
    "large": dataclasses.replace(
        MEDIUM,
        name="ptb_large",
        units=1500,
        embedding_dropout=0.65,
        layer_dropout=0.65,
        dropout=0.65,
        init=0.04,
        clip=10.0,
        epochs=55,
        decay=1 / 1.15,
        decay_after=14,
    ),
    "awd": AWD,
    # Melis, Kocisky & Blunsom tuned the rest at random, weights by number
    "mogrifier": dataclasses.replace(
        AWD,
        name="ptb_mogrifier",
        units=1250,
        layers=2,
        embedding_dim=700,
        mogrifier=5,
        mogrifier_rank=100,
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
    "ptb_best": (86.2, 82.7, "Zaremba et al. 2014, medium"),
    "ptb_small": (120.7, 114.5, "Zaremba et al. 2014"),
    "ptb_medium": (86.2, 82.7, "Zaremba et al. 2014"),
    "ptb_large": (82.2, 78.4, "Zaremba et al. 2014"),
    "ptb_awd": (60.0, 57.3, "Merity et al. 2018"),
    "ptb_mogrifier": (51.4, 50.1, "Melis et al. 2020"),
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
    embedding_dim = config.embedding_dim or config.units
    widths = [config.units] * config.layers
    if config.tied:
        widths[-1] = embedding_dim
    return zoo.models.LanguageModelBackbone(
        tokenizer.vocabulary_size(),
        units=widths,
        embedding_dim=embedding_dim,
        tie_embeddings=config.tied,
        embedding_dropout=config.embedding_dropout,
        layer_dropout=config.layer_dropout,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
        weight_drop=config.weight_drop,
        variational=config.variational,
        activation_regularization=config.alpha,
        temporal_regularization=config.beta,
        unit_forget_bias=config.unit_forget_bias,
        initializer_range=config.init or None,
        mogrifier_rounds=config.mogrifier,
        mogrifier_rank=config.mogrifier_rank or None,
        carry_batch_size=config.batch_size,
    )


def build_model(config, tokenizer):
    """The network and what it reads with."""
    return zoo.models.LanguageModel(
        build_backbone(config, tokenizer),
        zoo.models.LanguageModelPreprocessor(tokenizer),
    )


def train_model(config, model, ids, folder):
    """Fits the model; the best epoch's weights go to best.weights.h5."""
    data = zoo.data.contiguous_batches(
        ids[0],
        config.batch_size,
        config.num_steps,
        random_seed=config.seed if config.random_steps else None,
    )
    rates, rate = learning_rates(config), config.learning_rate
    if config.cosine:
        rates, rate = (
            None,
            keras.optimizers.schedules.CosineDecay(
                rate, len(data) * config.epochs
            ),
        )
    optimizers = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.AdamW}
    if config.optimizer not in optimizers:
        raise zoo.data.DataError(
            f"--optimizer: expected one of {', '.join(optimizers)}, got "
            f"{config.optimizer!r}."
        )
    model.compile(
        optimizers[config.optimizer](
            rate,
            global_clipnorm=config.clip,
            weight_decay=config.weight_decay,
        ),
        zoo.training.TokenCrossentropy(sum_over_time=config.optimizer == "sgd"),
        jit_compile=False,
    )
    average = None
    if config.average_after:
        average = zoo.training.NonMonotonicAverage(config.average_after)
    language_model.train(
        config,
        model,
        data,
        language_model.Epochs(
            rates,
            ids[1],
            folder / "best.weights.h5",
            config.valid_rows,
            average,
        ),
        folder,
    )


def learning_rates(config):
    """The learning rate of each epoch."""
    decays = [max(0, i + 1 - config.decay_after) for i in range(config.epochs)]
    return [config.learning_rate * config.decay**n for n in decays]


def dynamic_figures(config, model, ids):
    """Perplexities of a model that learns from what it has read."""
    squares = zoo.training.mean_squared_gradients(model, ids[0])

    def perplexity(text, rate):
        found = zoo.training.dynamic_perplexity(
            model, text, rate, config.dynamic_decay, squares
        )
        print(
            f"Learning from {len(text):,} tokens as it reads them, rate "
            f"{rate:g}: perplexity {found:.2f}"
        )
        return found

    # a part of valid is enough to choose by
    rates = {
        rate: perplexity(ids[1][:20_000], rate) for rate in config.dynamic_rates
    }
    rate = min(rates, key=rates.get)
    return [
        Figure(
            f"perplexity on {part}, learning from it, rate {rate:g}",
            f"{perplexity(text, rate):.2f}",
        )
        for part, text in (("valid", ids[1]), ("test", ids[2]))
    ]


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    tokenizer, ids = load_data(config)
    print("tokens in train, valid and test:", *(f"{len(x):,}" for x in ids))
    model = build_model(config, tokenizer)
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
    if config.dynamic:
        figures += dynamic_figures(config, model, ids)
    written = model.generate(["the", "mr.", ""], max_length=30)
    sections = {"It writes": "\n".join(f"- {text}" for text in written)}
    return write_report(
        folder, "recipes.ptb", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
