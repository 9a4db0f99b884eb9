"""Translation with attention: 我爱中国 -> I love China.

    python -m recipes.translate --preset zh_en

trains on Tatoeba's Chinese-English sentences, evaluates, draws alignments and
exports to runs/zh_en. Presets:

- tiny (3 minutes), zh_en, and zh_en_plain, a model of the same size without
  attention;
- book_seq2seq and book_attention, chapter 9.3 of the book, English to Chinese,
  at a quarter of its width on the shipped sentences. The book's own size, with
  files of its TED talks, one sentence a line:

    python -m recipes.translate --preset book_attention --embedding_dim 1024 \
        --encoder_units 1024 --decoder_units 1024 --epochs 5 \
        --train train.en train.zh --dev dev.en dev.zh --test test.en test.zh

For sentences of your own, give a table (source, tab, target) or two parallel
text files for each part:

    python -m recipes.translate --preset tiny --name mine \
        --train train.tsv --dev dev.de dev.en --test test.tsv

Ctrl-C ends the training; the best model so far is evaluated and exported.
"""

import collections
import pathlib
import sys
import time
import unicodedata

import keras

import zoo
from recipes import command_line
from recipes import translate_report
from recipes.going_on import going_on
from recipes.logs import logs
from recipes.report import write_training_facts
from recipes.translate_presets import PRESETS
from recipes.translate_presets import Config
from zoo.data.cmn_eng import read_split


def load_data(config):
    """The parts train, dev and test, each a tuple of sources and targets."""
    parts = {}
    for part in ("train", "dev", "test"):
        files = getattr(config, part)
        if len(files) == 1:
            pairs = zoo.data.read_pairs(files[0])
        elif len(files) == 2:
            pairs = zoo.data.read_parallel(*files)
        elif files:
            sys.exit(f"--{part}: give one table or two parallel text files.")
        elif config.train:
            sys.exit(f"--train is your own data: give --{part} as well.")
        else:
            pairs = [
                (
                    getattr(example, config.source),
                    getattr(example, config.target),
                )
                for example in read_split(part)
            ]
        parts[part] = tuple(map(list, zip(*pairs, strict=True)))
    return parts


def make_tokenizer(config, kind, texts, **kwargs):
    """Characters for a language without spaces, subwords for others."""
    if kind == "auto":
        text = "".join(texts)
        kind = "character" if text.count(" ") < len(text) / 20 else "subword"
    if kind == "character":
        kwargs["min_frequency"] = config.min_frequency
    else:
        kwargs["vocabulary_size"] = config.vocabulary_size
    return zoo.data.make_tokenizer(kind, texts, **kwargs)


def end_mark(sentences):
    """The most frequent last character, if nearly all are punctuation."""
    ends = collections.Counter(x.strip()[-1:] for x in sentences)
    marks = {
        end: count
        for end, count in ends.items()
        if end and unicodedata.category(end).startswith("P")
    }
    if not marks or sum(marks.values()) < 0.95 * len(sentences):
        return None
    return max(marks, key=marks.get)


def build_preprocessor(config, sources, targets):
    """The tokenizers, learnt from the training sentences."""
    source_tokenizer = make_tokenizer(
        config,
        config.source_tokens,
        sources,
        simplify=config.simplify,
    )
    return zoo.models.Seq2SeqPreprocessor(
        source_tokenizer,
        make_tokenizer(config, config.target_tokens, targets),
        2 * config.max_length,
        config.max_length,
        source_end_mark=end_mark(sources),
    )


def build_model(config, preprocessor):
    """The network, for what the preprocessor makes of sentences."""
    source_tokenizer = preprocessor.source_tokenizer
    attention = config.attention
    if attention in ("none", "context"):
        attention = None
    backbone = zoo.models.Seq2SeqBackbone(
        source_tokenizer.vocabulary_size(),
        preprocessor.tokenizer.vocabulary_size(),
        embedding_dim=config.embedding_dim,
        encoder_units=config.encoder_units,
        num_encoder_layers=config.encoder_layers,
        bidirectional=config.bidirectional,
        bridge=config.bridge,
        decoder_units=config.decoder_units,
        num_decoder_layers=config.decoder_layers,
        attention=attention,
        context="every" if config.attention == "context" else "initial",
        input_feeding=config.input_feeding,
        lexical=config.lexical and attention is not None,
        source_bigrams=config.source_bigrams,
        fixed_norm=config.fixed_norm,
        unattended_ids=(
            [] if config.attend_end else [source_tokenizer.end_token_id]
        ),
        project_output=config.output != "none",
        output_activation="tanh" if config.output == "tanh" else None,
        softmax_bias=config.softmax_bias,
        initializer_range=config.init or None,
        dropout=config.dropout,
        embedding_dropout=(
            None if config.embedding_dropout < 0 else config.embedding_dropout
        ),
        word_dropout=config.word_dropout,
        recurrent_dropout=config.recurrent_dropout,
    )
    return zoo.models.Seq2Seq(
        backbone, preprocessor, beam_width=config.beam_width
    )


def train(config, model, parts, folder):
    """Fits the model; the best epoch's weights go to best.weights.h5.

    After a crash the same command goes on after the last whole epoch.
    """
    started = time.time()

    def batches(part, **kwargs):
        return zoo.data.translation_dataset(
            parts[part],
            model.preprocessor.source_tokenizer,
            model.preprocessor.tokenizer,
            batch_size=config.batch_size,
            max_source_length=config.max_length,
            max_target_length=config.max_length,
            seed=config.seed,
            bucket_boundaries=None if config.bucketed else (),
            **kwargs,
        )

    sampling = config.subword_sampling
    if not hasattr(model.preprocessor.tokenizer, "scores"):
        sampling = 0.0
    best = zoo.training.BestBleu(
        *parts["dev"],
        folder / "best.weights.h5",
        config.patience,
        tokenize=translate_report.bleu_tokenizer(config.target),
    )
    resume = going_on(folder, config, [best])
    data = batches(
        "train",
        shuffle=True,
        repeat=True,
        first_epoch=resume.first_epoch,
        subword_sampling=sampling,
    )
    steps = data.steps_per_epoch
    compile_model(config, model, steps)
    callbacks = [best, *logs(folder, append=resume.first_epoch > 0)]
    if config.ema:
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    try:
        model.fit(
            data,
            initial_epoch=resume.first_epoch,
            epochs=config.epochs,
            steps_per_epoch=steps,
            validation_data=batches("dev"),
            callbacks=[*callbacks, resume],
            verbose=1 if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        for callback in callbacks:
            callback.on_train_end()
        print("\nInterrupted: going on with the best epoch so far.")
    write_training_facts(folder, started - resume.seconds)


def cost_per_token(labels, logits):
    """What the book prints, in nats; a metric hands labels over as floats."""
    return keras.ops.sparse_categorical_crossentropy(
        keras.ops.cast(labels, "int32"), logits, from_logits=True
    )


def compile_model(config, model, steps):
    """Optimizer and loss, for epochs of `steps` steps."""
    common = {
        "global_clipnorm": config.clip,
        "use_ema": config.ema > 0,
        "ema_momentum": config.ema or 0.99,
    }
    loss = zoo.training.TokenCrossentropy(
        config.label_smoothing, sum_over_time=config.optimizer == "sgd"
    )
    metrics = "auto"
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(config.learning_rate, **common)
        metrics = [
            keras.metrics.MeanMetricWrapper(
                cost_per_token, name="cost_per_token"
            )
        ]
    elif config.optimizer == "adam":
        warmup = int(config.warmup_epochs * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            config.epochs * steps - warmup,
            warmup_target=config.learning_rate,
            warmup_steps=warmup,
        )
        optimizer = keras.optimizers.Adam(rate, **common)
    else:
        raise zoo.data.DataError(
            f"--optimizer: expected adam or sgd, got {config.optimizer!r}."
        )
    model.compile(
        optimizer=optimizer,
        loss=loss,
        weighted_metrics=metrics,
        jit_compile=False,
    )


def run(config, parts):
    """Trains on given sentences, evaluates and exports.

    Args:
        config: A `Config`.
        parts: Dictionary of `train`, `dev` and `test`, each a tuple of a list
            of sources and one of targets.

    Returns:
        Dictionary of the figures.
    """
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    model = build_model(config, build_preprocessor(config, *parts["train"]))
    print(
        f"{config.name}: {model.count_params():,} weights, "
        f"{len(parts['train'][0]):,} training pairs"
    )
    if config.train_first:
        train(config, model, parts, folder)
    checkpoint = folder / "best.weights.h5"
    if not checkpoint.exists():
        sys.exit(
            f"No epoch was finished: {checkpoint} is missing. If the loss was "
            "NaN, lower --learning_rate or --clip."
        )
    model.backbone.load_weights(checkpoint)
    return translate_report.finish(config, model, parts, folder, started)


def main(config):
    """Runs the recipe; returns its figures."""
    return run(config, load_data(config))


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
