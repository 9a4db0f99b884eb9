"""Why attention: BLEU by the length of the source, with it and without.

    python -m recipes.why_attention

trains three Chinese-English models of one size on Tatoeba's short sentences
and the Bible's long verses:

- plain: the source is the decoder's first state and nothing else;
- context: the encoder's last output goes to every step of the decoder;
- attention: every step looks where it wants.

The notes say what is wrong with one vector for a sentence: it is too short for
a long one, and it is the same at each step. So the recipe draws BLEU over the
length of the source, with intervals, and measures how much the context changes
from step to step. Hours: give `--models` to train one at a time, and
`--no-train_first` to compare those that are there.
"""

import csv
import dataclasses
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure as Picture

import zoo
from recipes import command_line
from recipes import translate
from recipes.command_line import field
from recipes.report import Figure
from recipes.report import write_report
from recipes.translate_presets import ZH_EN
from recipes.translate_report import bleu_interval
from zoo.data.cmn_eng import read_split
from zoo.data.readers import read_lines
from zoo.plots.figure_file import save_figure

BIBLE = pathlib.Path(__file__).with_name("texts") / "bible_en_zh.tsv.xz"
ATTENTIONS = {"plain": "none", "context": "context", "attention": "bahdanau"}
# Source lengths in characters at which a group of the test begins.
EDGES = (1, 6, 11, 16, 21, 31, 41, 51, 81)


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("why_attention", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    models: tuple = field(tuple(ATTENTIONS), "which to train and compare")
    tatoeba: int = field(0, "pairs of Tatoeba to train on; 0: all")
    verses: int = field(0, "verses to train on; 0: all but those below")
    held_out: int = field(2_000, "verses to test on; a quarter more for dev")
    test: int = field(0, "pairs of Tatoeba to test on; 0: all")
    vocabulary_size: int = field(4_000, "subwords of English")
    embedding_dim: int = field(192, "width of the embeddings")
    encoder_units: int = field(192, "width of the encoder in each direction")
    decoder_units: int = field(
        384, "the attention's; others get as many weights"
    )
    epochs: int = field(12, "epochs of training")
    learning_rate: float = field(2e-3, "peak of Adam's; then cosine to zero")
    batch_size: int = field(128, "sentence pairs in a batch")
    seed: int = field(1, "of weights, order, dropout and the choice of verses")
    train_first: bool = field(True, "without it: compare what is in the folder")


ALL = Config()
PRESETS = {
    "all": ALL,
    "smoke": dataclasses.replace(
        ALL,
        name="why_attention_smoke",
        tatoeba=150,
        verses=150,
        held_out=24,
        test=24,
        vocabulary_size=200,
        embedding_dim=16,
        encoder_units=12,
        decoder_units=24,
        epochs=2,
        learning_rate=1e-2,
    ),
}


def load_data(config):
    """Pairs of sources and targets for training, dev and test."""
    longest = EDGES[-1] - 1
    verses = [line.split("\t") for _, line in read_lines(BIBLE)]
    # the Bible repeats itself: nothing of the test may be in training
    by_source = {zh: en for _, en, zh in verses if len(zh) <= longest}
    by_target = {en: zh for zh, en in by_source.items()}
    verses = [(zh, en) for en, zh in by_target.items()]
    order = np.random.default_rng(config.seed).permutation(len(verses))
    verses = [verses[i] for i in order]
    ends = np.cumsum([config.held_out, config.held_out // 4])
    parts = {
        "test": verses[: ends[0]],
        "dev": verses[ends[0] : ends[1]],
        "train": verses[ends[1] :][: config.verses or None],
    }
    counts = {"train": config.tatoeba, "dev": config.test, "test": config.test}
    for part, count in counts.items():
        examples = read_split(part)
        step = len(examples) // count if count else 1
        short = [(x.zh, x.en) for x in examples[::step]]
        parts[part] = parts[part] + short
    return {
        part: tuple(map(list, zip(*pairs, strict=True)))
        for part, pairs in parts.items()
    }


def settings_of(config, model, decoder_units):
    """The configuration of `recipes.translate` for one of the models."""
    return dataclasses.replace(
        ZH_EN,
        name=model,
        attention=ATTENTIONS[model],
        lexical=False,
        source_bigrams=0,
        fixed_norm=False,
        # few epochs: nothing that makes learning slower
        dropout=0.2,
        word_dropout=0.0,
        recurrent_dropout=0.0,
        subword_sampling=0.0,
        max_length=EDGES[-1],
        vocabulary_size=config.vocabulary_size,
        embedding_dim=config.embedding_dim,
        encoder_units=config.encoder_units,
        decoder_units=decoder_units,
        epochs=config.epochs,
        patience=config.epochs,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        seed=config.seed,
    )


def build_models(config, parts):
    """The models of `config.models`, of about one number of weights."""

    keras.utils.set_random_seed(config.seed)
    preprocessor = translate.build_preprocessor(
        settings_of(config, "attention", config.decoder_units), *parts["train"]
    )

    def build(name, units):
        keras.utils.set_random_seed(config.seed)
        settings = settings_of(config, name, units)
        return settings, translate.build_model(settings, preprocessor)

    built = {"attention": build("attention", config.decoder_units)}
    weights = built["attention"][1].count_params()
    models = {}
    for name in config.models:
        if name not in ATTENTIONS:
            raise zoo.data.DataError(
                f"--models: expected some of {', '.join(ATTENTIONS)}, got "
                f"{name!r}."
            )
        units = config.decoder_units
        if name not in built:
            built[name] = build(name, units)
        # wider until the weights are as many, which grow with the square
        while built[name][1].count_params() < weights:
            units += max(1, config.decoder_units // 64)
            built[name] = build(name, units)
        models[name] = built[name]
    return models


def groups_of(sources):
    """Indices of the sources in each group of lengths."""
    group = np.searchsorted(EDGES, [len(x) for x in sources], "right") - 1
    return [np.flatnonzero(group == i) for i in range(len(EDGES) - 1)]


def bleu_by_length(hypotheses, references, groups):
    """Rows `(mean BLEU, half of its 95 % interval)`, by bootstrap."""
    rows = []
    for indices in groups:
        if not len(indices):
            rows.append((np.nan, np.nan))
            continue
        _, mean, spread = bleu_interval(
            [hypotheses[i] for i in indices], [references[i] for i in indices]
        )
        rows.append((mean, spread))
    return np.array(rows)


def change_of_context(model, sources):
    """How far the context moves in a step, as a share of its own norm.

    ```
    mean_t |c_t - c_{t-1}| / mean_t |c_t|
    ```

    Args:
        model: A `zoo.models.Seq2Seq` with attention.
        sources: Sentences to translate.

    Returns:
        A number.
    """
    moved, norms = [], []
    for source, found in zip(
        sources, model.translate(sources, return_alignments=True), strict=True
    ):
        x = model.preprocessor.encode_source(tf.constant([source]))
        memory = model.backbone.encode(
            x["encoder_token_ids"], x["encoder_padding_mask"]
        ).memory
        alignments = found.alignments
        contexts = alignments @ np.array(memory)[0, : alignments.shape[1]]
        moved += [*np.linalg.norm(np.diff(contexts, axis=0), axis=-1)]
        norms += [*np.linalg.norm(contexts, axis=-1)]
    return float(np.mean(moved) / np.mean(norms))


def draw(results, path):
    """BLEU over the length of the source, a line for each model."""
    picture = Picture(figsize=(7.0, 4.5), layout="constrained")
    axes = picture.add_subplot(xlabel="characters of the source", ylabel="BLEU")
    places = np.arange(len(EDGES) - 1)
    for (name, rows), style in zip(
        results.items(), ("-", "--", "-."), strict=False
    ):
        axes.errorbar(
            places,
            rows[:, 0],
            rows[:, 1],
            label=name,
            linestyle=style,
            capsize=3,
        )
    axes.set_xticks(places, labels=length_labels())
    axes.legend()
    save_figure(picture, path)


def length_labels():
    """Names of the groups: 1-5, 6-10, ..."""
    return [
        f"{low}–{high - 1}"
        for low, high in zip(EDGES[:-1], EDGES[1:], strict=True)
    ]


def write_table(results, counts, path):
    """The numbers of the picture."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["characters", "sentences", "model", "BLEU", "interval"]
        )
        for name, rows in results.items():
            for label, count, row in zip(
                length_labels(), counts, rows, strict=True
            ):
                writer.writerow([label, count, name, *np.round(row, 2)])


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    parts = load_data(config)
    models = build_models(config, parts)
    sources, references = parts["test"]
    groups = groups_of(sources)
    results, figures = {}, []
    for name, (settings, model) in models.items():
        place = folder / name
        place.mkdir(exist_ok=True)
        weights = f"{model.count_params():,}"
        print(f"{name}: {weights} weights, {len(parts['train'][0]):,} pairs")
        if config.train_first:
            translate.train(settings, model, parts, place)
        model.backbone.load_weights(place / "best.weights.h5")
        hypotheses = model.translate(sources, batch_size=64)
        results[name] = bleu_by_length(hypotheses, references, groups)
        bleu, _, spread = bleu_interval(hypotheses, references)
        figures += [
            Figure(f"{name}: weights", weights),
            Figure(f"**{name}: BLEU**", f"{bleu:.2f} ± {spread:.2f}"),
            Figure(
                f"{name}: change of the context in a step",
                "none: it has one for all steps"
                if model.backbone.attention is None
                else f"{change_of_context(model, sources[:200]):.3g}",
            ),
        ]
        zoo.export(model, folder / "model" / name / "1")
    draw(results, folder / "plots" / "bleu_by_length.png")
    counts = [len(indices) for indices in groups]
    write_table(results, counts, folder / "bleu_by_length.csv")
    lines = [f"| characters | sentences | {' | '.join(results)} |"]
    lines += ["|---" * (2 + len(results)) + "|"]
    for i, label in enumerate(length_labels()):
        cells = [
            f"{rows[i, 0]:.1f} ± {rows[i, 1]:.1f}" for rows in results.values()
        ]
        lines.append(f"| {label} | {counts[i]} | {' | '.join(cells)} |")
    return write_report(
        folder,
        "recipes.why_attention",
        config,
        figures,
        {"BLEU by length of the source": "\n".join(lines)},
        started,
    )


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
