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
import dataclasses
import json
import pathlib
import sys
import time
import unicodedata

import keras

import zoo
from recipes import command_line
from recipes import translate_report
from recipes.command_line import field
from zoo.data.cmn_eng import read_split


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the presets are below."""

    name: str = field("zh_en", "the run, and its folder")
    folder: str = field("runs", "where the folder of the run is made")
    train: tuple = field((), "one table or two text files (default: cmn-eng)")
    dev: tuple = field((), "the same for choosing the best epoch")
    test: tuple = field((), "the same for the figures at the end")
    source: str = field("zh", "source language, ISO 639-1")
    target: str = field("en", "target language, ISO 639-1")
    source_tokens: str = field("auto", "character, word, subword or auto")
    target_tokens: str = field("auto", "character, word, subword or auto")
    vocabulary_size: int = field(3000, "subwords or words to keep on a side")
    min_frequency: int = field(2, "rarer source characters are unknown")
    simplify: bool = field(True, "read Traditional Chinese as Simplified")
    max_length: int = field(64, "longest sentence, in tokens, on either side")
    attention: str = field(
        "bahdanau", "bahdanau, luong, or none; context: one for every step"
    )
    attend_end: bool = field(False, "may attention look at the end token?")
    input_feeding: bool = field(False, "feed o_{t-1} to step t: twice the time")
    lexical: bool = field(True, "with attention: the attended words to o_t")
    source_bigrams: int = field(8192, "rows for pairs of source tokens; 0: off")
    fixed_norm: bool = field(True, "one norm for frequent and rare targets")
    embedding_dim: int = field(256, "width of the embeddings")
    encoder_units: int = field(256, "width of the encoder in each direction")
    encoder_layers: int = field(1, "depth of the encoder")
    bidirectional: bool = field(True, "does the encoder read both ways?")
    bridge: str = field("dense", "encoder to decoder: dense, copy or zero")
    decoder_units: int = field(512, "width of the decoder")
    decoder_layers: int = field(1, "depth of the decoder")
    output: str = field("tanh", "o_t: tanh, linear, or none: the decoder's own")
    softmax_bias: bool = field(False, "a bias for each target token")
    init: float = field(0.0, "weights start within this; 0: as Keras has it")
    embedding_dropout: float = field(-1.0, "of embeddings; below 0: as dropout")
    dropout: float = field(0.3, "share dropped from layers' outputs")
    word_dropout: float = field(
        0.1, "share of words whose embedding is dropped"
    )
    recurrent_dropout: float = field(0.2, "share dropped between steps")
    label_smoothing: float = field(0.1, "probability spread over all tokens")
    subword_sampling: float = field(0.3, "alpha of Kudo (2018); 0: off")
    batch_size: int = field(64, "sentence pairs in a batch")
    bucketed: bool = field(True, "batches of sentences of like length")
    epochs: int = field(28, "most epochs to train")
    patience: int = field(8, "epochs without a better dev BLEU before the end")
    optimizer: str = field(
        "adam", "adam, or sgd: constant rate, loss summed over each sentence"
    )
    learning_rate: float = field(1e-3, "peak of Adam's; then cosine to zero")
    warmup_epochs: float = field(1.0, "epochs until the peak")
    clip: float = field(1.0, "largest global norm of a gradient")
    ema: float = field(0.999, "momentum of the average over weights; 0: off")
    beam_width: int = field(5, "width of the search on the test set")
    length_penalties: tuple = field(
        (0.6, 1.0, 1.4, 1.8), "dev chooses one of these"
    )
    seed: int = field(1, "of weights, order, dropout and subwords")
    train_first: bool = field(
        True, "without it: evaluate what is in the folder"
    )


ZH_EN = Config()
BOOK_SEQ2SEQ = dataclasses.replace(
    ZH_EN,
    name="book_seq2seq",
    source="en",
    target="zh",
    source_tokens="word",
    target_tokens="character",
    vocabulary_size=10_000,
    min_frequency=1,
    simplify=False,
    max_length=49,  # and the end token
    attention="none",
    lexical=False,
    source_bigrams=0,
    fixed_norm=False,
    embedding_dim=256,
    encoder_units=256,
    encoder_layers=2,
    bidirectional=False,
    bridge="copy",
    decoder_units=256,
    decoder_layers=2,
    output="none",
    softmax_bias=True,
    init=0.05,
    embedding_dropout=0.2,
    dropout=0.0,
    word_dropout=0.0,
    recurrent_dropout=0.0,
    label_smoothing=0.0,
    subword_sampling=0.0,
    batch_size=100,
    bucketed=False,
    # as many steps as the book's 5 epochs of 180,000 pairs
    epochs=32,
    patience=32,
    optimizer="sgd",
    learning_rate=1.0,
    clip=5.0,
    ema=0.0,
    length_penalties=(1.0,),
)
PRESETS = {
    "tiny": dataclasses.replace(
        ZH_EN,
        name="tiny",
        embedding_dim=128,
        encoder_units=128,
        decoder_units=256,
        vocabulary_size=2000,
        lexical=False,
        source_bigrams=0,
        fixed_norm=False,
        dropout=0.2,
        word_dropout=0.0,
        recurrent_dropout=0.0,
        subword_sampling=0.0,
        learning_rate=3e-3,
        warmup_epochs=0.5,
        ema=0.99,
        epochs=4,
        length_penalties=(1.0,),
    ),
    "zh_en": ZH_EN,
    # as many weights as zh_en: the decoder gets what the attention had
    "zh_en_plain": dataclasses.replace(
        ZH_EN,
        name="zh_en_plain",
        attention="none",
        decoder_units=616,
    ),
    "book_seq2seq": BOOK_SEQ2SEQ,
    "book_attention": dataclasses.replace(
        BOOK_SEQ2SEQ,
        name="book_attention",
        attention="bahdanau",
        attend_end=True,
        input_feeding=True,
        encoder_layers=1,
        bidirectional=True,
        bridge="zero",
        output="linear",
    ),
}


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


def build_model(config, sources, targets):
    """Tokenizers learnt from the training sentences, and the network."""
    source_tokenizer = make_tokenizer(
        config,
        config.source_tokens,
        sources,
        simplify=config.simplify,
    )
    tokenizer = make_tokenizer(config, config.target_tokens, targets)
    attention = config.attention
    if attention in ("none", "context"):
        attention = None
    backbone = zoo.models.Seq2SeqBackbone(
        source_tokenizer.vocabulary_size(),
        tokenizer.vocabulary_size(),
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
    preprocessor = zoo.models.Seq2SeqPreprocessor(
        source_tokenizer,
        tokenizer,
        2 * config.max_length,
        config.max_length,
        source_end_mark=end_mark(sources),
    )
    return zoo.models.Seq2Seq(
        backbone, preprocessor, beam_width=config.beam_width
    )


def train(config, model, parts, folder):
    """Fits the model; the best epoch's weights go to best.weights.h5."""

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
    data = batches(
        "train", shuffle=True, repeat=True, subword_sampling=sampling
    )
    steps = data.steps_per_epoch
    compile_model(config, model, steps)
    callbacks = [
        zoo.training.BestBleu(
            *parts["dev"],
            folder / "best.weights.h5",
            config.patience,
            tokenize=translate_report.bleu_tokenizer(config.target),
        ),
        keras.callbacks.CSVLogger(folder / "history.csv"),
        keras.callbacks.TensorBoard(folder / "logs", write_graph=False),
        keras.callbacks.TerminateOnNaN(),
    ]
    if config.ema:
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    try:
        model.fit(
            data,
            epochs=config.epochs,
            steps_per_epoch=steps,
            validation_data=batches("dev"),
            callbacks=callbacks,
            verbose=1 if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        for callback in callbacks:
            callback.on_train_end()
        print("\nInterrupted: going on with the best epoch so far.")


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


def main(config):
    """Runs the recipe; returns its figures."""
    started = time.time()
    folder = pathlib.Path(config.folder, config.name)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    parts = load_data(config)
    model = build_model(config, *parts["train"])
    print(
        f"{config.name}: {model.count_params():,} weights, "
        f"{len(parts['train'][0]):,} training pairs"
    )
    if config.train_first:
        text = json.dumps(dataclasses.asdict(config), indent=2)
        (folder / "config.json").write_text(text, encoding="utf-8")
        train(config, model, parts, folder)
        minutes = round((time.time() - started) / 60, 1)
        (folder / "training.json").write_text(json.dumps({"minutes": minutes}))
    checkpoint = folder / "best.weights.h5"
    if not checkpoint.exists():
        sys.exit(
            f"No epoch was finished: {checkpoint} is missing. If the loss was "
            "NaN, lower --learning_rate or --clip."
        )
    model.backbone.load_weights(checkpoint)
    return translate_report.finish(config, model, parts, folder, started)


if __name__ == "__main__":
    command_line.run(main, Config, PRESETS, __doc__)
