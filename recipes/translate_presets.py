"""Settings and presets of `recipes.translate`."""

import dataclasses

from recipes.command_line import field


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
