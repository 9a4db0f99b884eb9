"""SavedModels of functional models: arrays in, arrays out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo


def functional(names=("sequences", "start")):
    sequences = keras.Input((None, 3), name=names[0])
    start = keras.Input((5,), name=names[1])
    states, last = zoo.layers.GRU(
        5, return_sequences=True, return_state=True, name="gru"
    )(sequences, initial_state=[start])
    outputs = keras.layers.Dense(2, name="outputs")(states)
    return keras.Model(
        [sequences, start], [outputs, keras.layers.Identity(name="last")(last)]
    )


def test_the_saved_model_computes_what_the_model_does(tmp_path):
    model = functional()
    folder = zoo.export(model, tmp_path / "model" / "1")
    loaded = tf.saved_model.load(str(folder))
    assert set(loaded.signatures) == {"serving_default"}
    draw = np.random.default_rng(0).normal
    for rows, time in ((1, 4), (3, 2)):
        x, start = draw(size=(rows, time, 3)), draw(size=(rows, 5))
        found = loaded.signatures["serving_default"](
            sequences=tf.constant(x, "float32"),
            start=tf.constant(start, "float32"),
        )
        outputs, last = model([x, start])
        np.testing.assert_allclose(found["outputs"], outputs, atol=1e-6)
        np.testing.assert_allclose(found["last"], last, atol=1e-6)


def test_a_model_of_one_input_raises_no_warning(tmp_path):
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="y")(x))
    folder = zoo.export(model, tmp_path / "1")
    found = tf.saved_model.load(str(folder)).signatures["serving_default"](
        x=tf.ones((4, 3))
    )
    np.testing.assert_allclose(found["y"], model(np.ones((4, 3))), atol=1e-6)


def test_outputs_of_one_name_are_an_error(tmp_path):
    x = keras.Input((None, 3), name="x")
    outputs, last = zoo.layers.GRU(
        5, return_sequences=True, return_state=True, name="gru"
    )(x)
    model = keras.Model(x, [outputs, last])
    with pytest.raises(ValueError, match="Name the layers"):
        zoo.export(model, tmp_path / "1")
    assert not any(tmp_path.iterdir())


def test_a_model_without_symbolic_inputs_is_an_error(tmp_path):
    class Subclass(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="functional keras.Model"):
        zoo.export(Subclass(), tmp_path / "1")
