"""The bias of a softmax whose kernel is a shared embedding."""

import keras


@keras.saving.register_keras_serializable(package="zoo")
class OutputBias(keras.layers.Layer):
    """Adds a learnt number to each logit: `y = x + b`, b zero at first.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Logits of shape `(..., vocabulary_size)`.

    Returns:
        Tensor of the same shape.
    """

    def build(self, input_shape):
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="bias"
        )

    def call(self, inputs):
        return inputs + self.bias
