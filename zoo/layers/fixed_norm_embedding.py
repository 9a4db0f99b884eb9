"""An embedding whose softmax does not prefer frequent tokens by their norm."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class FixedNormEmbedding(keras.layers.ReversibleEmbedding):
    """Embedding that scores tokens by rows of one common norm.

    ```
    y = E_x                             as an embedding
    l_v = g (h . E_v) / |E_v|           with reverse=True
    ```

    The rows of frequent tokens grow in training, so that a plain softmax
    takes them where a rare token was meant. Here all rows count with the same
    norm, the learnt scalar g, which starts at 1.

    Source: Nguyen & Chiang, "Improving Lexical Choice in Neural Machine
    Translation" (2018), https://aclanthology.org/N18-1031, section 3. There
    the norm of h is fixed as well and g is a constant; with a learnt g and a
    free h it is the FixNorm of Nguyen & Salazar, "Transformers without Tears"
    (2019), https://aclanthology.org/2019.iwslt-1.17.

    Args:
        input_dim: Number of tokens.
        output_dim: Width of an embedding.
        **kwargs: Further arguments of `keras.layers.ReversibleEmbedding`.

    Call arguments:
        inputs: Token ids, integers of any shape; with `reverse=True` vectors
            `(..., output_dim)`.
        reverse: Whether to score all tokens instead of embedding some.

    Returns:
        Embeddings `(..., output_dim)`, or logits `(..., input_dim)`.

    Raises:
        ValueError: As `keras.layers.ReversibleEmbedding`.

    Example:

    >>> import numpy as np
    >>> layer = FixedNormEmbedding(10, 4)
    >>> embedded = layer(np.array([[1, 2, 3]]))
    >>> tuple(layer(embedded, reverse=True).shape)
    (1, 3, 10)
    """

    def build(self, input_shape=None):
        super().build(input_shape)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs, reverse=False):
        if not reverse:
            return super().call(inputs)
        # embeddings take ids as they come: Keras casts no input of theirs
        inputs = ops.cast(inputs, self.compute_dtype)
        logits = super().call(inputs, reverse=True)
        rows = self.embeddings
        if not self.tie_weights:
            rows = ops.transpose(self.reverse_embeddings)
        # a sum of squares: not in half precision
        rows = ops.cast(rows, self.variable_dtype)
        squares = ops.sum(ops.square(rows), axis=-1)
        scale = ops.cast(self.scale, self.variable_dtype)
        factors = scale * ops.rsqrt(squares + keras.config.epsilon())
        return logits * ops.cast(factors, logits.dtype)

    @property
    def variable_serialization_spec(self):
        # Keras saves the weights of an embedding by this list alone
        return {
            mode: [*names, "scale"]
            for mode, names in super().variable_serialization_spec.items()
        }
