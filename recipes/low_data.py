"""What a language model gains a translation that has few sentences.

    python -m recipes.low_data

The notes say that embeddings and softmax of a language model can go straight
into a decoder. A language model reads the English half of all shipped
sentences; then 3,000 pairs train two translation models of the same wiring,
one from nothing, one whose decoder starts as that language model
(`zoo.models.Seq2Seq.from_language_model`). Half an hour on one core.
"""

import dataclasses
import math
import pathlib
import time

import keras

import zoo
from recipes import command_line
from recipes import translate
from recipes.command_line import field
from recipes.report import Figure
from recipes.report import write_report
from recipes.translate_presets import ZH_EN
from recipes.translate_report import bleu_interval
from zoo.data.cmn_eng import read_split

NAMES = ("from a language model", "from nothing")


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("low_data", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    pairs: int = field(3_000, "sentence pairs to learn to translate from")
    texts: int = field(0, "sentences for the language model; 0: all")
    vocabulary_size: int = field(3_000, "subwords of English")
    units: int = field(256, "width of every layer but the encoder's half")
    dropout: float = field(0.3, "share dropped from layers' outputs")
    word_dropout: float = field(0.1, "share of words dropped as a whole")
    batch_size: int = field(64, "sentences in a batch")
    writer_epochs: int = field(8, "epochs of the language model")
    epochs: int = field(25, "most epochs of translation")
    learning_rate: float = field(1e-3, "peak of Adam's; then cosine to zero")
    writer_learning_rate: float = field(2e-3, "the language model's")
    test: int = field(0, "sentences to test on; 0: all")
    seed: int = field(1, "of weights, order, dropout and choice of pairs")


THREE_THOUSAND = Config()
PRESETS = {
    "3000": THREE_THOUSAND,
    "smoke": dataclasses.replace(
        THREE_THOUSAND,
        name="low_data_smoke",
        pairs=200,
        texts=600,
        vocabulary_size=200,
        units=16,
        writer_epochs=4,
        writer_learning_rate=2e-2,
        epochs=3,
        learning_rate=2e-2,
        test=40,
    ),
}


def load_data(config):
    """Pairs for training, dev and test, and English texts."""
    examples = {part: read_split(part) for part in ("train", "dev", "test")}
    texts = [example.en for example in examples["train"]]
    # spread over the corpus, which goes from short to long sentences
    step = len(texts) / config.pairs
    chosen = [
        examples["train"][int(i * step + config.seed % step)]
        for i in range(config.pairs)
    ]
    parts = {
        part: ([x.zh for x in found], [x.en for x in found])
        for part, found in (
            ("train", chosen),
            ("dev", examples["dev"][: config.test or None]),
            ("test", examples["test"][: config.test or None]),
        )
    }
    if config.texts:
        texts = texts[:: max(1, len(texts) // config.texts)]
    return parts, texts


def train_writer(config, tokenizer, texts, dev):
    """A language model of the texts, and its perplexity on others."""
    writer = zoo.models.LanguageModel(
        zoo.models.LanguageModelBackbone(
            tokenizer.vocabulary_size(),
            units=config.units,
            num_layers=1,
            embedding_dropout=config.dropout,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
        ),
        zoo.models.LanguageModelPreprocessor(tokenizer),
    )
    steps = -(-len(texts) // config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(
        config.writer_learning_rate, steps * config.writer_epochs
    )
    writer.compile(
        keras.optimizers.Adam(rate, global_clipnorm=1.0), jit_compile=False
    )
    writer.fit(
        texts,
        batch_size=config.batch_size,
        epochs=config.writer_epochs,
        verbose=2,
    )
    log_probs, tokens = writer.score(dev)
    return writer, math.exp(-log_probs.sum() / tokens.sum())


def build_models(config, writer, sources):
    """The model whose decoder is the language model, and one from nothing."""
    preprocessor = zoo.models.Seq2SeqPreprocessor(
        zoo.data.CharacterTokenizer.train(sources, simplify=True),
        writer.preprocessor.tokenizer,
    )
    started = zoo.models.Seq2Seq.from_language_model(
        writer,
        preprocessor,
        {
            "encoder_units": config.units // 2,
            "input_feeding": False,  # half the time
            "dropout": config.dropout,
            "word_dropout": config.word_dropout,
        },
    )
    keras.utils.set_random_seed(config.seed)
    backbone = zoo.models.Seq2SeqBackbone.from_config(
        started.backbone.get_config()
    )
    return started, zoo.models.Seq2Seq(backbone, preprocessor)


def train_and_test(config, model, parts, folder):
    """Trains one model; returns its `bleu_interval` on test."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = dataclasses.replace(
        ZH_EN,
        epochs=config.epochs,
        patience=config.epochs,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        subword_sampling=0.0,
        ema=0.99,
        seed=config.seed,
    )
    translate.train(settings, model, parts, folder)
    model.backbone.load_weights(folder / "best.weights.h5")
    hypotheses = model.translate(parts["test"][0], batch_size=64)
    return bleu_interval(hypotheses, parts["test"][1])


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    parts, texts = load_data(config)
    tokenizer = zoo.data.SubwordTokenizer.train(
        texts, vocabulary_size=config.vocabulary_size
    )
    print(f"A language model of {len(texts):,} sentences:")
    writer, perplexity = train_writer(config, tokenizer, texts, parts["dev"][1])
    models = build_models(config, writer, parts["train"][0])
    scores = []
    for name, model in zip(NAMES, models, strict=True):
        print(f"Translation from {config.pairs:,} pairs, decoder {name}:")
        keras.utils.set_random_seed(config.seed)
        scores.append(
            train_and_test(
                config, model, parts, folder / name.replace(" ", "_")
            )
        )
    zoo.export(models[0], folder / "model" / "1")
    figures = [
        Figure("weights of a translation model", models[0].count_params()),
        Figure("perplexity of the language model on dev", f"{perplexity:.1f}"),
    ]
    for name, (bleu, mean, spread) in zip(NAMES, scores, strict=True):
        interval = f"{mean:.2f} ± {spread:.2f}"
        figures += [
            Figure(f"**BLEU, decoder {name}**", f"{bleu:.2f}"),
            Figure(f"95 % interval, decoder {name}", interval),
        ]
    step = max(1, len(parts["test"][0]) // 8)
    sources, references = (side[::step][:8] for side in parts["test"])
    rows = zip(
        sources,
        references,
        *(model.translate(sources) for model in models),
        strict=True,
    )
    lines = [f"| source | reference | {' | '.join(NAMES)} |", "|---" * 4 + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return write_report(
        folder,
        "recipes.low_data",
        config,
        figures,
        {"Translations of the test set": "\n".join(lines)},
        started,
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
