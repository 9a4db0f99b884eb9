"""SavedModels of functions of one's own."""

import pytest
import tensorflow as tf

from zoo.data import CharacterTokenizer
from zoo.saving import export_functions

TEXT = [tf.TensorSpec([None], tf.string, name="text")]


def test_a_function_with_a_table_is_exported(tmp_path):
    tokenizer = CharacterTokenizer.train(["abc"])

    @tf.function(input_signature=TEXT)
    def ids(text):
        return {"ids": tokenizer.tokenize(text).to_tensor()}

    folder = export_functions(
        {"serving_default": ids},
        tokenizer.resources,
        {"serving_default": [{"text": ["ab", ""]}]},
        tmp_path / "1",
    )
    loaded = tf.saved_model.load(str(folder)).signatures["serving_default"]
    found = loaded(text=tf.constant(["cab", "x"]))["ids"]
    assert (
        found.numpy().tolist()
        == tokenizer.tokenize(["cab", "x"]).to_tensor().numpy().tolist()
    )


def test_a_function_that_fails_on_its_examples_is_not_kept(tmp_path):
    @tf.function(input_signature=TEXT)
    def one_row(text):
        return {"text": text[:1]}

    with pytest.raises(RuntimeError, match="Expected 2 rows"):
        export_functions(
            {"serving_default": one_row},
            [],
            {"serving_default": [{"text": ["a", "b"]}]},
            tmp_path / "1",
        )
    assert not any(tmp_path.iterdir())
