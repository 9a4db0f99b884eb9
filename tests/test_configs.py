"""Models, losses, schedules and tokenizers are made again from their configs.

The layers have tests of their own, in `tests/layers/test_conformance.py`.
"""

import inspect
import json

import keras
import pytest

import zoo

# What `keras.Layer` and its like take too, and what serves another argument.
OTHERS = {"dtype", "name", "num_layers"}
WORDS = ["<pad>", "<unk>", "<sos>", "<eos>", "a", "b"]


def tokenizer(**kwargs):
    return zoo.data.CharacterTokenizer(WORDS, **kwargs)


def of_a_tokenizer():
    return {
        "vocabulary": [*WORDS, "c"],
        "simplify": True,
        "lowercase": True,
        "normalization_table": {"A": "a"},
    }


# Function that returns every argument, at a value that is not its default.
CASES = {
    "CharacterTokenizer": of_a_tokenizer,
    "WordTokenizer": of_a_tokenizer,
    "WhitespaceTokenizer": of_a_tokenizer,
    "SubwordTokenizer": lambda: {**of_a_tokenizer(), "scores": [-1.0] * 7},
    "SamplingSchedule": lambda: {
        "decay": "exponential",
        "rate": 0.9,
        "highest": 0.5,
    },
    "TokenCrossentropy": lambda: {
        "label_smoothing": 0.1,
        "reduction": "none",
    },
    "LanguageModelPreprocessor": lambda: {
        "tokenizer": tokenizer(),
        "sequence_length": 7,
    },
    "LanguageModelBackbone": lambda: {
        "vocabulary_size": 9,
        "units": [5, 4],
        "embedding_dim": 3,
        "tie_embeddings": False,
        "embedding_dropout": 0.1,
        "layer_dropout": 0.2,
        "dropout": 0.3,
        "word_dropout": 0.4,
        "recurrent_dropout": 0.5,
        "weight_drop": 0.6,
        "variational": True,
        "activation_regularization": 2.0,
        "temporal_regularization": 3.0,
        "unit_forget_bias": False,
        "mogrifier_rounds": 2,
        "mogrifier_rank": 3,
        "initializer_range": 0.7,
        "carry_batch_size": 2,
    },
    "LanguageModel": lambda: {
        "backbone": zoo.models.LanguageModelBackbone(6, units=3),
        "preprocessor": zoo.models.LanguageModelPreprocessor(tokenizer()),
    },
    "Seq2SeqPreprocessor": lambda: {
        "source_tokenizer": tokenizer(
            lowercase=True, config_file="source_tokenizer.json"
        ),
        "tokenizer": tokenizer(),
        "encoder_sequence_length": 7,
        "decoder_sequence_length": 8,
        "source_end_mark": ".",
    },
    "Seq2SeqBackbone": lambda: {
        "source_vocabulary_size": 9,
        "target_vocabulary_size": 8,
        "embedding_dim": 6,
        "encoder_units": 5,
        "decoder_units": 4,
        "num_encoder_layers": 3,
        "num_decoder_layers": 3,
        "bidirectional": False,
        "source_bigrams": 11,
        "unattended_ids": (3, 5),
        "attention": zoo.layers.LuongAttention(scale=True),
        "input_feeding": False,
        "lexical": True,
        "bridge": "zero",
        "tie_embeddings": False,
        "softmax_bias": True,
        "output_activation": "relu",
        "project_output": False,
        "dropout": 0.1,
        "embedding_dropout": 0.2,
        "initializer_range": 0.25,
        "word_dropout": 0.3,
        "recurrent_dropout": 0.4,
    },
    "Seq2Seq": lambda: {
        "backbone": zoo.models.Seq2SeqBackbone(6, 6, 4, 4, 4),
        "preprocessor": zoo.models.Seq2SeqPreprocessor(
            tokenizer(config_file="source_tokenizer.json"), tokenizer()
        ),
        "beam_width": 3,
        "length_penalty": 0.3,
    },
}

# Arguments that exclude one of the table above, by class.
EXCLUDING = {
    "TokenCrossentropy": [{"sum_over_time": True}],
    "Seq2SeqBackbone": [
        {"fixed_norm": True},
        {"context": "every", "attention": None},
    ],
}


def public_classes():
    """Public classes with a config, by name."""
    found = {}
    for package in (zoo.data, zoo.decoding, zoo.models, zoo.training):
        for name in package.__all__:
            item = getattr(package, name)
            if inspect.isclass(item) and hasattr(item, "get_config"):
                found[name] = item
    del found["Tokenizer"]  # a base of those above
    return found


def test_every_public_class_has_a_case():
    assert set(CASES) == set(public_classes())


@pytest.mark.parametrize("name", CASES)
def test_every_argument_survives_from_config(name):
    made, arguments = public_classes()[name], CASES[name]()
    signature = inspect.signature(made.__init__).parameters
    named = {
        key: value.default
        for key, value in signature.items()
        if value.kind is value.POSITIONAL_OR_KEYWORD and key != "self"
    }
    rest = set(named) - set(arguments) - OTHERS
    others = {key for case in EXCLUDING.get(name, ()) for key in case}
    assert rest <= others, "the tables lack some"
    for key, value in arguments.items():
        assert named[key] is inspect.Parameter.empty or named[key] != value
    one = made(**arguments)
    config = one.get_config()
    assert set(arguments) <= set(config)
    # what is written to a file and read again
    text = json.dumps(keras.saving.serialize_keras_object(one))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(copy) is made
    assert json.dumps(keras.saving.serialize_keras_object(copy)) == json.dumps(
        keras.saving.serialize_keras_object(one)
    )
    for key, value in arguments.items():
        if isinstance(value, int | float | str | bool | list | tuple):
            assert plain(getattr(copy, key, config[key])) == plain(value), key


def plain(value):
    """Lists for tuples, numbers for what holds them."""
    if isinstance(value, list | tuple):
        return [plain(x) for x in value]
    return value


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, case) for name, cases in EXCLUDING.items() for case in cases],
)
def test_arguments_that_exclude_others_survive(name, arguments):
    made = public_classes()[name]
    first = (6, 6, 4, 4, 4) if name == "Seq2SeqBackbone" else ()
    text = json.dumps(
        keras.saving.serialize_keras_object(made(*first, **arguments))
    )
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    for key, value in arguments.items():
        assert getattr(copy, key) == value
