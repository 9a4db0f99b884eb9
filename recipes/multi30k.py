"""German to English on Multi30k: without attention, with a context, with it.

    ZOO_DATA=FOLDER python -m recipes.multi30k

trains three models on the 29,000 captions of Multi30k (Elliott et al. 2016),
words in lower case, ten epochs each:

- plain: the source is the decoder's first state and nothing else;
- context: the encoder's last output goes to every step of the decoder;
- attention: every step looks where it wants.

These are the steps of Ben Trevett's widely read tutorial, whose figures stand
beside ours; its batches are twice as large. Preset `best` is one model with
attention that reads subwords in their own case. `--models` trains some of
them, `--no-train_first` evaluates what is in the folder. Each model has a
folder and a report of its own.
"""

import dataclasses
import pathlib
import time

import sacrebleu

import zoo
from recipes import command_line
from recipes import translate
from recipes.command_line import field
from recipes.corpora import find_files
from recipes.report import Figure
from recipes.report import write_report
from recipes.translate_presets import ZH_EN

PARTS = {"train": "train", "dev": "val", "test": "test_2016_flickr"}
SOURCE = (
    "Multi30k, task 1, raw text, is at github.com/multi30k/dataset; its "
    "captions are for research."
)
ATTENTIONS = {"plain": "none", "context": "context", "attention": "bahdanau"}
TUTORIAL = "github.com/bentrevett/pytorch-seq2seq, notebook"
# BLEU of lower-case words, by torchtext, and where it is printed.
REFERENCES = {
    "plain": (13.76, f"{TUTORIAL} 1"),
    "context": (20.61, f"{TUTORIAL} 2"),
    "attention": (28.30, f"{TUTORIAL} 3"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("multi30k", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    data: str = field("", "folder of corpora (default: $ZOO_DATA)")
    models: tuple = field(tuple(ATTENTIONS), "which to train and compare")
    pairs: int = field(0, "captions to train on; 0: all")
    test: int = field(0, "captions to choose and to test on; 0: all")
    lowercase: bool = field(True, "read and write lower case")
    tokens: str = field("word", "word or subword, on both sides")
    vocabulary_size: int = field(7_000, "words or subwords on each side")
    embedding_dim: int = field(256, "width of the embeddings")
    encoder_units: int = field(256, "width of the encoder in each direction")
    decoder_units: int = field(512, "width of the decoder")
    lexical: bool = field(False, "with attention: the attended words to o_t")
    embedding_dropout: float = field(0.4, "share dropped from embeddings")
    dropout: float = field(0.1, "share dropped from layers' outputs")
    word_dropout: float = field(0.0, "share of words that are dropped")
    recurrent_dropout: float = field(0.0, "share dropped between steps")
    label_smoothing: float = field(0.0, "probability spread over all tokens")
    subword_sampling: float = field(0.0, "alpha of Kudo (2018); 0: off")
    ema: float = field(0.0, "momentum of the average over weights; 0: off")
    batch_size: int = field(64, "captions in a batch")
    epochs: int = field(10, "epochs of training")
    learning_rate: float = field(2e-3, "peak of Adam's; then cosine to zero")
    warmup_epochs: float = field(0.5, "epochs until the peak")
    seed: int = field(1, "of weights, order, dropout and subwords")
    train_first: bool = field(
        True, "without it: evaluate what is in the folder"
    )


THREE = Config()
PRESETS = {
    "three": THREE,
    "best": dataclasses.replace(
        THREE,
        name="multi30k_best",
        models=("attention",),
        lowercase=False,
        tokens="subword",
        vocabulary_size=6_000,
        lexical=True,
        dropout=0.4,
        word_dropout=0.1,
        recurrent_dropout=0.2,
        label_smoothing=0.1,
        subword_sampling=0.3,
        ema=0.999,
        epochs=25,
        learning_rate=1e-3,
        warmup_epochs=1.0,
    ),
    "smoke": dataclasses.replace(
        THREE,
        name="multi30k_smoke",
        pairs=300,
        test=30,
        vocabulary_size=300,
        embedding_dim=16,
        encoder_units=12,
        decoder_units=24,
        embedding_dropout=0.1,
        batch_size=16,
        epochs=2,
        learning_rate=1e-2,
    ),
}


def load_data(config):
    """The paths of the files, and the pairs of train, dev and test."""
    files = [
        f"{part}.{side}" for part in PARTS.values() for side in ("de", "en")
    ]
    paths = find_files("multi30k", "multi30k-de-en", files, SOURCE, config.data)
    parts = {}
    for i, part in enumerate(PARTS):
        pairs = zoo.data.read_parallel(*paths[2 * i : 2 * i + 2])
        count = config.pairs if part == "train" else config.test
        sides = zip(*pairs[: count or None], strict=True)
        parts[part] = tuple(
            [x.lower() if config.lowercase else x for x in side]
            for side in sides
        )
    return paths, parts


def settings_of(config, model, paths):
    """The configuration of `recipes.translate` for one of the models."""
    shared = {
        x.name: getattr(config, x.name)
        for x in dataclasses.fields(config)
        if hasattr(ZH_EN, x.name) and x.name != "test"
    }
    shared.update(
        name=model,
        folder=str(pathlib.Path(config.folder, config.name)),
        source="de",
        target="en",
        train=tuple(map(str, paths[:2])),
        source_tokens=config.tokens,
        target_tokens=config.tokens,
        attention=ATTENTIONS[model],
        source_bigrams=0,
        fixed_norm=config.tokens == "subword",
        patience=config.epochs,
    )
    return dataclasses.replace(ZH_EN, **shared)


def bleu_in_lower_case(folder, references):
    """BLEU of a run's translations of the test set, and its signature."""
    text = (folder / "test_translations.txt").read_text(encoding="utf-8")
    metric = sacrebleu.BLEU(lowercase=True)
    bleu = metric.corpus_score(text.split("\n")[:-1], [references])
    return bleu.score, str(metric.get_signature())


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    unknown = {*config.models} - {*ATTENTIONS}
    if unknown:
        raise zoo.data.DataError(
            f"--models: expected some of {', '.join(ATTENTIONS)}, got "
            f"{', '.join(sorted(unknown))}."
        )
    paths, parts = load_data(config)
    figures, signature = [], ""
    for name in config.models:
        found = translate.run(settings_of(config, name, paths), parts)
        lower, signature = bleu_in_lower_case(folder / name, parts["test"][1])
        figures.append(
            Figure(
                f"**{name}: BLEU, lower case**",
                f"{lower:.2f}",
                *REFERENCES[name],
            )
        )
        figures += [
            Figure(f"{name}: {measure}", value)
            for measure, value in found.items()
            if measure.startswith("test BLEU")
        ]
    note = (
        f"Lower case: `{signature}`, on detokenised text. The tutorial's own "
        "figures are of tokens, by torchtext, unknown words among them."
    )
    return write_report(
        folder, "recipes.multi30k", config, figures, {"BLEU": note}, started
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
