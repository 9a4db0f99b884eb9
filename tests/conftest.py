"""What all tests share."""

import os
import pathlib
import shutil
import sys

# Before TensorFlow is imported: its C++ log says nothing that a test needs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if os.environ.get("KERAS_BACKEND") == "jax":
    # Most of a test is compilation, for functions that run once.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import numpy as np
import pytest

ORACLES = pathlib.Path(__file__).parent / "oracles"


@pytest.fixture(scope="session")
def oracle():
    """Returns a function from a name to the arrays of that oracle.

    The arrays of `tests/oracles/NAME.npz`, a dict.
    """

    def load(name):
        path = ORACLES / f"{name}.npz"
        if not path.is_file():
            known = sorted(file.stem for file in ORACLES.glob("*.npz"))
            raise ValueError(
                f"Expected an oracle among {known}, got {name!r}. Copy the "
                f"file to {ORACLES}."
            )
        with np.load(path) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(autouse=True)
def same_start():
    """Seeds every test, and gives the next one the dtype policy back."""
    if "keras" not in sys.modules:
        # A test of what needs no Keras doesn't wait for it.
        yield
        return
    import keras

    from tests.backend import recording

    keras.utils.set_random_seed(1)
    policy = keras.config.dtype_policy()
    with recording(False):
        yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def translator():
    """A tiny untrained `Seq2Seq` whose translations are no two alike."""
    import keras

    from zoo.data import CharacterTokenizer
    from zoo.data import WordTokenizer
    from zoo.models import Seq2Seq
    from zoo.models import Seq2SeqBackbone
    from zoo.models import Seq2SeqPreprocessor

    keras.utils.set_random_seed(5)
    preprocessor = Seq2SeqPreprocessor(
        CharacterTokenizer.train(["我爱中国。", "他在等你。"], simplify=True),
        WordTokenizer.train(["I love China.", "He is waiting for you."]),
        encoder_sequence_length=40,
        decoder_sequence_length=9,
    )
    model = Seq2Seq(
        Seq2SeqBackbone(
            preprocessor.source_tokenizer.vocabulary_size(),
            preprocessor.tokenizer.vocabulary_size(),
            embedding_dim=6,
            encoder_units=5,
            decoder_units=7,
        ),
        preprocessor,
        length_penalty=0.7,
    )
    for weight in model.trainable_weights:
        weight.assign(4.0 * keras.random.normal(weight.shape, stddev=0.5))
    return model


@pytest.fixture(scope="session")
def writer():
    """A `LanguageModel` of characters that has learnt two sentences."""
    import keras

    from zoo.data import CharacterTokenizer
    from zoo.models import LanguageModel
    from zoo.models import LanguageModelBackbone
    from zoo.models import LanguageModelPreprocessor

    keras.utils.set_random_seed(1)
    texts = ["to be or not to be", "we see a sea"]
    tokenizer = CharacterTokenizer.train(texts)
    model = LanguageModel(
        LanguageModelBackbone(tokenizer.vocabulary_size(), units=24),
        LanguageModelPreprocessor(tokenizer, sequence_length=24),
    )
    model.compile(keras.optimizers.Adam(0.02), sampler="greedy")
    model.fit(texts * 20, epochs=20, batch_size=4, verbose=0)
    return model


CARD = {
    "name": "tiny",
    "summary": "Chinese to English, untrained.",
    "languages": ("zh", "en"),
    "license": "Apache-2.0",
    "data": "None: the weights are random numbers.",
    "attribution": "nobody.",
    "figures": {"test BLEU": 0.125, "signature": "nrefs:1|case:mixed"},
    "training": {"seed": 5, "hardware": "none"},
    "command": "python -m recipes.translate --preset tiny",
    "examples": [("我爱中国", "you you | you")],
    "limits": ["It has learnt nothing."],
    "beam_width": 5,
    "length_penalty": 0.7,
}


@pytest.fixture(scope="session")
def model_card():
    """The facts of the model `tiny`."""
    return dict(CARD)


@pytest.fixture(scope="session")
def exported(translator, tmp_path_factory):
    """A folder with the models `tiny` (all of it) and `served`.

    `served` is a SavedModel alone.
    """
    import zoo

    home = tmp_path_factory.mktemp("saved_models")
    translator.save_to_preset(str(home / "tiny" / "preset"))
    zoo.export(translator, home / "tiny" / "1")
    zoo.saving.write_model_card(home / "tiny", CARD)
    shutil.copytree(home / "tiny" / "1", home / "served" / "1")
    (home / "no_model").mkdir()
    return home


@pytest.fixture
def model_home(exported, monkeypatch):
    """`exported` as the only place where models are found by name."""
    monkeypatch.setenv("ZOO_HOME", str(exported))
    monkeypatch.setattr(
        "zoo.saving.catalog.CHECKOUT_MODELS", exported / "no_model"
    )
    return exported
