"""One answer for a whole text: the shape N -> 1.

    python -m recipes.classify

trains the network of chapter 10.4 of the book, an embedding, one LSTM and a
sigmoid, to say whether a Chinese sentence is a question, its last mark taken
away. The sentences are shipped; five minutes. The book's own task, whether a
review of a film is friendly,

    python -m recipes.classify --preset book

takes the 50,000 reviews of `imdb_reviews` from tensorflow_datasets, which
loads them from the network, or from the folder --data. Beside the network a
linear classifier of the same tokens, which knows no order, is measured.
"""

import dataclasses
import functools
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

import zoo
from recipes import command_line
from recipes.command_line import field
from recipes.fit import fit
from recipes.report import Figure
from recipes.report import write_report
from zoo.data.cmn_eng import read_split

MARKS = " 。？！?!.…\"'”’」』)）~～"


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("classify", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    task: str = field("questions", "questions or reviews")
    data: str = field("", "folder of tensorflow_datasets, for reviews")
    texts: int = field(0, "how many to train on; 0: all")
    vocabulary_size: int = field(20_000, "tokens to keep")
    longest: int = field(80, "tokens that are read, the last ones of a text")
    units: int = field(128, "width of embeddings and LSTM")
    dropout: float = field(0.2, "share dropped from inputs and from the state")
    batch_size: int = field(32, "texts in a batch")
    epochs: int = field(5, "times through the texts")
    seed: int = field(1, "of weights, order and dropout")


QUESTIONS = Config()
PRESETS = {
    "questions": QUESTIONS,
    "book": dataclasses.replace(
        QUESTIONS, name="classify_book", task="reviews", epochs=10
    ),
    "smoke": dataclasses.replace(
        QUESTIONS, name="classify_smoke", texts=2_000, units=16, epochs=3
    ),
}


def load_questions():
    """How to learn a tokenizer; sentences, and whether they ask."""
    parts = []
    for split in ("train", "test"):
        examples = read_split(split)
        texts = [example.zh.rstrip(MARKS) for example in examples]
        asks = [
            example.en.rstrip("\"'”’ ").endswith("?") for example in examples
        ]
        parts.append((texts, np.array(asks, "float32")))
    return functools.partial(
        zoo.data.CharacterTokenizer.train, simplify=True
    ), parts


def load_reviews(folder):
    """How to learn a tokenizer; reviews, and whether they are friendly."""
    import tensorflow_datasets as tfds

    print("Loading imdb_reviews; without a network this takes minutes to fail")
    try:
        splits = tfds.load(
            "imdb_reviews",
            split=["train", "test"],
            data_dir=folder or None,
            as_supervised=True,
        )
    except Exception as error:
        raise zoo.data.DataError(
            "the reviews `imdb_reviews` of tensorflow_datasets are neither in "
            f"{folder or '~/tensorflow_datasets'} nor to be had from the "
            f"network ({type(error).__name__}). Run once where there is one, "
            "copy the folder, and give it: --data FOLDER."
        ) from error
    parts = []
    for split in splits:
        texts, labels = zip(*tfds.as_numpy(split), strict=True)
        texts = [text.decode().replace("<br />", " ") for text in texts]
        parts.append((texts, np.array(labels, "float32")))
    return zoo.data.WordTokenizer.train, parts


def load_data(config):
    """Tokenizer, and texts and labels for training and for testing."""
    if config.task == "questions":
        learn, (train, test) = load_questions()
    elif config.task == "reviews":
        learn, (train, test) = load_reviews(config.data)
    else:
        raise zoo.data.DataError(
            f"--task: expected questions or reviews, got {config.task!r}."
        )
    order = np.random.default_rng(config.seed).permutation(len(train[0]))
    order = order[: config.texts or None]
    train = [train[0][i] for i in order], train[1][order]
    tokenizer = learn(train[0], config.vocabulary_size, lowercase=True)
    return tokenizer, train, test


def read(tokenizer, texts, longest):
    """Ids of the last tokens of each text, then padding, `(texts, longest)`."""
    ids = tokenizer.tokenize(texts)[:, -longest:]
    return ids.to_tensor(shape=(None, longest))


def build_network(config, tokens):
    """Chapter 10.4: embedding, LSTM, sigmoid."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(tokens, config.units, mask_zero=True)(ids)
    x = zoo.layers.LSTM(
        config.units, dropout=config.dropout, recurrent_dropout=config.dropout
    )(x)
    return keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))


def build_bag(tokens):
    """Logistic regression on which tokens there are."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    there = keras.layers.CategoryEncoding(tokens, output_mode="multi_hot")(ids)
    # padding is there in every short text: it tells nothing but the length
    there = there * (np.arange(tokens) > 0).astype("float32")
    return keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(there))


def train_model(config, model, train, test, rate=1e-3, folder=None):
    """Fits a model; returns its accuracy on the test, after each epoch."""
    model.compile(
        keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"]
    )
    history = fit(
        model,
        *train,
        validation_data=test,
        batch_size=config.batch_size,
        epochs=config.epochs,
        folder=folder,
    )
    return history["val_accuracy"]


def make_classifier(model, tokenizer, longest):
    """The function from texts to probabilities, as it is exported."""

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
        autograph=False,
    )
    def classifier(text):
        return {"probability": model(read(tokenizer, text, longest))[:, 0]}

    return classifier


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    tokenizer, train, test = load_data(config)
    print(f"{len(train[0]):,} texts for training, {len(test[0]):,} for testing")
    data = [
        (read(tokenizer, texts, config.longest), labels)
        for texts, labels in (train, test)
    ]
    tokens = tokenizer.vocabulary_size()
    model = build_network(config, tokens)
    accuracies = train_model(config, model, *data, folder=folder)
    print("And the linear classifier:")
    bag = train_model(config, build_bag(tokens), *data, rate=1e-2)
    classifier = make_classifier(model, tokenizer, config.longest)
    zoo.saving.export_functions(
        {"serving_default": classifier},
        tokenizer.resources,
        {
            "serving_default": [
                {"text": ["你去哪里", "", "a b"]},
                {"text": ["我"]},
            ]
        },
        folder / "model" / "1",
    )
    reviews = config.task == "reviews"
    source = "chapter 10.4" if reviews else ""
    figures = [
        Figure("weights", f"{model.count_params():,}"),
        Figure(
            "**accuracy on test, last epoch**",
            f"{accuracies[-1]:.4f}",
            0.8124 if reviews else "",
            source,
        ),
        Figure(
            "accuracy on test, best epoch",
            f"{max(accuracies):.4f}",
            0.8360 if reviews else "",
            source,
        ),
        Figure("accuracy of the linear classifier", f"{bag[-1]:.4f}"),
        Figure(
            "accuracy of one answer for all",
            f"{max(test[1].mean(), 1 - test[1].mean()):.4f}",
        ),
    ]
    found = classifier(tf.constant(test[0]))["probability"].numpy()
    wrong = np.flatnonzero((found > 0.5) != test[1])
    lines = [f"- {found[i]:.2f}: {test[0][i][-60:]}" for i in wrong[:10]]
    sections = {f"Mistakes, the first of {len(wrong)}": "\n".join(lines)}
    return write_report(
        folder, "recipes.classify", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
