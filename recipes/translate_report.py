"""What `recipes.translate` leaves behind: figures, pictures, models."""

import csv
import time

import sacrebleu

import zoo
from recipes.report import command
from recipes.report import training_facts
from recipes.report import write_atomically
from recipes.translate_costs import costs_section

MODULE = "recipes.translate"

# Translated and drawn for every model of this language pair.
FAMILIAR = {
    ("zh", "en"): ["我爱中国", "他在等你", "我喜欢读书。"],
    ("en", "zh"): [
        "This is a test.",
        "I love China.",
        "He is waiting for you.",
    ],
}
DATA = (
    "The sentence pairs are those of `cmn_eng` in this package: Tatoeba's "
    "Chinese-English sentences of 2026-02-13 by way of manythings.org/anki, "
    "28,528 for training, 1,500 for choosing (dev) and 2,000 for the figures "
    "(test); no sentence of a part, nor a translation of it, occurs in "
    "another. Licence: CC-BY 2.0 FR."
)
ATTRIBUTION = (
    "tatoeba.org and manythings.org/anki; the author of each sentence is "
    "named in the column `attribution` of the corpus."
)


def finish(config, model, parts, folder, started):
    """Evaluates, draws, exports and reports.

    Args:
        config: The recipe's configuration.
        model: The trained `zoo.models.Seq2Seq`.
        parts: Dictionary of `dev` and `test`, pairs of lists.
        folder: Folder of the run.
        started: `time.time()` at the start of the run.

    Returns:
        Dictionary of the figures.
    """
    print("Choosing the length penalty on the dev set ...")
    penalties = {}
    for penalty in config.length_penalties:
        bleu, _ = evaluate(config, model, parts["dev"], length_penalty=penalty)
        penalties[penalty] = bleu.score
        print(f"  {penalty}: dev BLEU {bleu.score:.2f}")
    model.length_penalty = max(penalties, key=penalties.get)
    print("Translating the test set ...")
    greedy, _ = evaluate(config, model, parts["test"], beam_width=1)
    bleu, hypotheses = evaluate(config, model, parts["test"])
    chrf = sacrebleu.CHRF()
    chrf_score = chrf.corpus_score(hypotheses, [parts["test"][1]])
    figures = {
        f"test BLEU, beam {config.beam_width}": round(bleu.score, 2),
        "test BLEU, greedy": round(greedy.score, 2),
        "test chrF2": round(chrf_score.score, 2),
        f"dev BLEU, beam {config.beam_width}": round(
            penalties[model.length_penalty], 2
        ),
        "sentences in test": len(hypotheses),
        "BLEU signature": bleu_metric(config)[1],
        "chrF signature": str(chrf.get_signature()),
    }
    write_atomically(
        folder / "test_translations.txt", "".join(f"{x}\n" for x in hypotheses)
    )
    samples = draw(config, model, parts["test"][0], folder / "plots")
    training = facts_of_training(config, model, parts, folder)
    write_models(config, model, figures, samples, training, folder / "model")
    training["whole run, minutes"] = round((time.time() - started) / 60, 1)
    costs = costs_section(config, folder, len(parts["train"][0]))
    report = render(
        config, figures, training, samples, parts, hypotheses, costs
    )
    write_atomically(folder / "report.md", report)
    print(f"\n{report}\nReport, plots and model are in {folder}.")
    return figures


def bleu_tokenizer(language):
    """sacreBLEU's tokenizer for a target language."""
    if language in ("ja", "km", "lo", "my", "th"):  # no spaces either
        return "char"
    return "zh" if language == "zh" else "13a"


def bleu_metric(config):
    """The BLEU of the target language, and its signature."""
    metric = sacrebleu.BLEU(tokenize=bleu_tokenizer(config.target))
    metric.corpus_score(["x"], [["x"]])  # the signature counts references
    return metric, str(metric.get_signature())


def evaluate(config, model, pairs, **kwargs):
    """BLEU of a part, and the translations."""
    sources, references = pairs
    hypotheses = model.translate(sources, batch_size=64, **kwargs)
    metric, _ = bleu_metric(config)
    return metric.corpus_score(hypotheses, [references]), hypotheses


def bleu_interval(hypotheses, references):
    """BLEU of English, and the mean and half width of its 95 % interval.

    By 1,000 bootstrap resamples (Koehn 2004), as sacreBLEU makes them.
    """
    score = sacrebleu.BLEU().corpus_score(
        hypotheses, [references], n_bootstrap=1000
    )
    return score.score, score._mean, score._ci


def draw(config, model, sources, folder):
    """Translates and draws some sentences; returns source and translation."""
    familiar = FAMILIAR.get((config.source, config.target), [])
    sources = familiar + sources[: len(sources) : max(1, len(sources) // 5)][:5]
    samples = []
    for number, (source, found) in enumerate(
        zip(
            sources,
            model.translate(sources, return_alignments=True),
            strict=True,
        )
    ):
        samples.append((source, found.text))
        if found.alignments is not None and len(found.target_tokens):
            zoo.plots.alignments(
                found.alignments,
                found.source_tokens,
                found.target_tokens,
                path=folder / f"alignments_{number}.png",
            )
    return samples


def facts_of_training(config, model, parts, folder):
    """Facts about the training for report and card."""
    with open(folder / "history.csv", encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))
    best = max(epochs, key=lambda row: float(row["dev_bleu"]))
    return {
        "weights": f"{model.count_params():,}",
        "training pairs": f"{len(parts['train'][0]):,}",
        "epochs": len(epochs),
        "best epoch (greedy dev BLEU)": (
            f"{int(best['epoch']) + 1} ({float(best['dev_bleu']):.2f})"
        ),
        "length penalty, chosen on dev": model.length_penalty,
        "seed": config.seed,
        **training_facts(folder),
    }


def write_models(config, model, figures, samples, training, folder):
    """Writes model card, SavedModel and preset."""
    zoo.export(model, folder / "1")
    model.save_to_preset(str(folder / "preset"))
    zoo.saving.half_precision_preset(folder / "preset")
    shipped = not config.train
    zoo.saving.write_model_card(
        folder,
        {
            "name": config.name,
            "summary": f"Translates {config.source} to {config.target}: LSTM "
            "encoder-decoder, "
            + {
                "none": "without attention.",
                "context": "one context for every step.",
            }.get(
                config.attention, f"{config.attention.capitalize()} attention."
            ),
            "languages": (config.source, config.target),
            "license": "CC-BY-2.0" if shipped else "unknown",
            "data": DATA if shipped else f"Files {', '.join(config.train)}.",
            "attribution": ATTRIBUTION if shipped else "unknown",
            "figures": figures,
            "training": training,
            "command": command(MODULE),
            "examples": samples,
            "limits": [
                "Knows short everyday sentences; longer or formal text comes "
                "out badly.",
                "Invents names and numbers it has not seen, and can drop or "
                "repeat parts of a sentence.",
                f"Reads at most {model.preprocessor.encoder_sequence_length} "
                "tokens and cuts off the rest.",
            ],
            "beam_width": model.beam_width,
            "length_penalty": model.length_penalty,
        },
    )


def render(config, figures, training, samples, parts, hypotheses, costs):
    """The report as Markdown."""
    step = max(1, len(hypotheses) // 10)
    lines = [
        f"# {config.name}",
        "",
        f"`{command(MODULE)}`",
        "",
        "## Figures",
        "",
    ]
    lines += [f"- {name}: {value}" for name, value in figures.items()]
    lines += ["", "## Training", ""]
    lines += [f"- {name}: {value}" for name, value in training.items()]
    if costs:
        lines += ["", "## Cost per token", "", costs]
    lines += ["", "## Translations", ""]
    lines += [f"- {source} → {text}" for source, text in samples]
    lines += ["", "## From the test set: source, reference, translation", ""]
    for i in list(range(0, len(hypotheses), step))[:10]:
        sources, references = parts["test"]
        lines += [f"- {sources[i]}", f"  - {references[i]}"]
        lines += [f"  - {hypotheses[i]}"]
    if config.attention not in ("none", "context"):
        lines += ["", "Alignments are drawn in `plots/`."]
    return "\n".join([*lines, ""])
