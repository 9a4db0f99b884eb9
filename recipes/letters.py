"""Sorting the letters of a word: common -> cmmnoo.

    python -m recipes.letters

is the task of 天雨粟's article 《从Encoder到Decoder实现Seq2Seq模型》: an
encoder of two LSTM layers reads a word of one to seven letters, a decoder of
two writes the same letters in the order of the alphabet. Two minutes. Preset
`best` adds attention, which it draws, and reads more words; six minutes.
"""

import dataclasses
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import zoo
from recipes import command_line
from recipes.command_line import field
from recipes.fit import fit
from recipes.report import Figure
from recipes.report import write_report
from zoo.data.untuned import untuned

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST = 7


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("letters", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    words: int = field(10_000, "random words; the first 128 for choosing")
    unseen: int = field(1_000, "further words, none of them in training")
    attention: bool = field(False, "let the decoder look at the letters")
    embedding_dim: int = field(15, "width of the embeddings")
    units: int = field(50, "width of each LSTM layer")
    layers: int = field(2, "LSTM layers on either side")
    init: float = field(0.1, "LSTM weights start uniform within this")
    batch_size: int = field(128, "words in a batch")
    epochs: int = field(60, "times through the words")
    learning_rate: float = field(1e-3, "of Adam")
    clip: float = field(5.0, "largest value of a gradient")
    seed: int = field(1, "of weights and words")


BOOK = Config()
PRESETS = {
    "book": BOOK,
    "best": dataclasses.replace(
        BOOK, name="letters_best", attention=True, words=40_000, epochs=25
    ),
    "smoke": dataclasses.replace(
        BOOK,
        name="letters_smoke",
        words=600,
        unseen=40,
        attention=True,
        epochs=6,
        learning_rate=1e-2,
    ),
}


def random_words(rng, count):
    """Words of one to seven letters, all lengths and letters alike."""
    lengths = rng.integers(1, LONGEST + 1, count)
    return ["".join(rng.choice(list(LETTERS), n)) for n in lengths]


def load_data(config):
    """Words for training and choosing, as in the article, and unseen ones."""
    rng = np.random.default_rng(config.seed)
    words = random_words(rng, config.words)
    known = set(words)
    unseen = []
    while len(unseen) < config.unseen:
        unseen += [w for w in random_words(rng, 100) if w not in known]
    return words[128:], words[:128], unseen[: config.unseen]


def sort(word):
    return "".join(sorted(word))


class Network:
    """Encoder and decoder, trained as one model and called step by step."""

    def __init__(self, config, vocabulary_size):
        def embedding(name, initializer):
            return keras.layers.Embedding(
                vocabulary_size,
                config.embedding_dim,
                embeddings_initializer=initializer,
                mask_zero=True,
                name=name,
            )

        def cells():
            uniform = keras.initializers.RandomUniform(
                -config.init, config.init
            )
            return zoo.layers.StackedRNNCells(
                [
                    zoo.layers.LSTMCell(
                        config.units,
                        kernel_initializer=uniform.clone(),
                        recurrent_initializer=uniform.clone(),
                    )
                    for _ in range(config.layers)
                ]
            )

        # the article's initial values, of all layers
        self.source_embedding = embedding("source_embedding", "glorot_uniform")
        self.target_embedding = embedding(
            "target_embedding", keras.initializers.RandomUniform(0.0, 1.0)
        )
        self.encoder = zoo.layers.RNN(
            cells(), return_sequences=True, return_state=True, name="encoder"
        )
        self.attention = config.attention
        if config.attention:
            self.decoder = zoo.layers.AttentionDecoder(
                zoo.layers.AttentionCell(
                    cells(),
                    zoo.layers.BahdanauAttention(config.units),
                    attention_units=config.units,
                    attention_activation="tanh",
                ),
                name="decoder",
            )
        else:
            self.decoder = zoo.layers.RNN(
                cells(), return_sequences=True, return_state=True
            )
        self.softmax = keras.layers.Dense(
            vocabulary_size,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
            name="softmax",
        )
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        memory, *state = self.encoder(self.source_embedding(source))
        embedded = self.target_embedding(target)
        if config.attention:
            outputs, *_ = self.decoder(embedded, memory, initial_state=state)
        else:
            outputs, *_ = self.decoder(embedded, initial_state=state)
        self.model = keras.Model([source, target], self.softmax(outputs))

    def greedy(self, source, start_id, end_id):
        """Writes to the end token, by the most probable letter each time."""
        mask = source != 0
        memory, *state = self.encoder(self.source_embedding(source), mask=mask)
        rows = ops.shape(source)[0]
        if self.attention:
            keys = self.decoder.project(memory)
            state = self.decoder.get_initial_state(rows, memory, state)
        else:
            state = keras.tree.pack_sequence_as(
                self.decoder.get_initial_state(rows), state
            )

        def step(tokens, state):
            embedded = self.target_embedding(tokens)
            if not self.attention:
                output, state = self.decoder.cell(embedded, state)
                return self.softmax(output), state
            (output, alignments), state = self.decoder.step(
                embedded, state, memory, keys, mask
            )
            return self.softmax(output), state, alignments

        tokens = ops.full((rows,), start_id, dtype="int32")
        return zoo.decoding.greedy_search(
            step, tokens, state, max_length=2 * LONGEST, end_id=end_id
        )


def make_sorter(network, tokenizer):
    """The function from words to sorted words, as it is exported."""

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
        autograph=False,
    )
    def sorter(text):
        # with a column of padding, so that there is a letter to read
        ids = tf.pad(tokenizer.tokenize(text).to_tensor(), [[0, 0], [0, 1]])
        found = network.greedy(
            ids, tokenizer.start_token_id, tokenizer.end_token_id
        )
        results = {"text": tokenizer.detokenize(found.ids[:, 0])}
        if found.alignments is not None:
            results["alignments"] = found.alignments[:, 0]
        return results

    return sorter


def batches(config, tokenizer, words):
    """Ids of words, and of their letters in order, moved by one."""
    source = tokenizer.tokenize(words).to_tensor(shape=(None, LONGEST))
    target = tokenizer.tokenize([sort(word) for word in words])
    ends = tf.fill((len(words), 1), tokenizer.end_token_id)
    labels = tf.concat([target, ends], 1).to_tensor(shape=(None, LONGEST + 1))
    starts = tf.fill((len(words), 1), tokenizer.start_token_id)
    inputs = tf.concat([starts, target], 1).to_tensor(shape=(None, LONGEST + 1))
    weights = tf.cast(labels != 0, tf.float32)
    data = ((source, inputs), labels, weights)
    data = tf.data.Dataset.from_tensor_slices(data)
    return untuned(data.batch(config.batch_size))


def train_model(config, model, train, valid, folder):
    """Fits the model; returns the loss on valid after the last epoch."""
    model.compile(
        keras.optimizers.Adam(config.learning_rate, clipvalue=config.clip),
        zoo.training.TokenCrossentropy(),
        jit_compile=False,
    )
    history = fit(
        model,
        train.cache().prefetch(2),
        validation_data=valid.cache(),
        epochs=config.epochs,
        shuffle=False,  # nor did the article
        folder=folder,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    return history["loss"][-1], history["val_loss"][-1]


def exact(sorter, words):
    """Share of the words that come out sorted, whole."""
    found = sorter(tf.constant(words))["text"].numpy()
    return np.mean(
        [x.decode() == sort(word) for x, word in zip(found, words, strict=True)]
    )


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    train, valid, unseen = load_data(config)
    tokenizer = zoo.data.CharacterTokenizer.train([LETTERS])
    network = Network(config, tokenizer.vocabulary_size())
    loss, valid_loss = train_model(
        config,
        network.model,
        batches(config, tokenizer, train),
        batches(config, tokenizer, valid),
        folder,
    )
    sorter = make_sorter(network, tokenizer)
    zoo.saving.export_functions(
        {"serving_default": sorter},
        tokenizer.resources,
        {"serving_default": [{"text": ["common", "", "z"]}, {"text": ["a"]}]},
        folder / "model" / "1",
    )
    words = ["common", "bsaqq", "tensor"]
    found = sorter(tf.constant(words))
    texts = [text.decode() for text in found["text"].numpy()]
    if config.attention:
        zoo.plots.alignments(
            found["alignments"][0, : len(texts[0]) + 1, :6],
            list(words[0]),
            [*texts[0], "<eos>"],
            path=folder / "plots" / "alignments.png",
        )
    leaked = len([word for word in valid if word in set(train)])
    source = "the article"
    figures = [
        Figure("weights", network.model.count_params(), 69230, "its shapes"),
        Figure("training loss", f"{loss:.4f}", 0.010, source),
        Figure("**validation loss**", f"{valid_loss:.4f}", 0.015, source),
        Figure("validation words that are in training, too", leaked, 38),
        Figure(
            f"**{len(unseen)} unseen words sorted, share**",
            f"{exact(sorter, unseen):.3f}",
        ),
    ]
    samples = zip(words, texts, strict=True)
    sections = {"It writes": "\n".join(f"- {x} → {y}" for x, y in samples)}
    return write_report(
        folder, "recipes.letters", config, figures, sections, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
