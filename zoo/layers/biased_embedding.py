"""An embedding whose softmax has a bias for each token."""

import keras

from zoo.layers.recurrent_cell import check_positive_integer
from zoo.layers.recurrent_cell import check_units


@keras.saving.register_keras_serializable(package="zoo")
class BiasedEmbedding(keras.layers.ReversibleEmbedding):
    """Embedding that also scores tokens, with a bias.

    ```
    y = E_x                             as an embedding
    l = h E^T + b                       with reverse=True
    ```

    b, zero at first, learns how frequent each token is, so that E need not.
    `keras.layers.ReversibleEmbedding` has no bias; the language models of
    Zaremba, Sutskever & Vinyals, "Recurrent Neural Network Regularization"
    (2014), https://arxiv.org/abs/1409.2329, and after them have.

    Args:
        input_dim: Number of tokens.
        output_dim: Width of an embedding.
        reverse_dim: Width of the vectors that score tokens, if it is another;
            only with `tie_weights=False`.
        **kwargs: Further arguments of `keras.layers.ReversibleEmbedding`;
            with `tie_weights=False`, the softmax has a kernel of its own in
            place of E.

    Call arguments:
        inputs: Token ids, integers of any shape; with `reverse=True` vectors
            `(..., reverse_dim)`.
        reverse: Whether to score all tokens instead of embedding some.

    Returns:
        Embeddings `(..., output_dim)`, or logits `(..., input_dim)`.

    Raises:
        ValueError: If a size is no positive integer, or `reverse_dim`
            differs from `output_dim` with `tie_weights=True`.

    Example:

    >>> import numpy as np
    >>> layer = BiasedEmbedding(10, 4)
    >>> embedded = layer(np.array([[1, 2, 3]]))
    >>> tuple(layer(embedded, reverse=True).shape)
    (1, 3, 10)
    """

    def __init__(self, input_dim, output_dim, reverse_dim=None, **kwargs):
        check_positive_integer("input_dim", input_dim, "It counts the tokens.")
        check_units(output_dim, "output_dim")
        super().__init__(input_dim, output_dim, **kwargs)
        if reverse_dim is not None:
            check_units(reverse_dim, "reverse_dim")
        if self.tie_weights and reverse_dim not in (None, output_dim):
            raise ValueError(
                "Expected vectors as wide as the embeddings with "
                f"tie_weights=True, got output_dim={output_dim} and "
                f"reverse_dim={reverse_dim}. Change one, or take "
                "tie_weights=False."
            )
        self.reverse_dim = reverse_dim

    def build(self, input_shape=None):
        if self.reverse_dim in (None, self.output_dim):
            super().build(input_shape)
        else:
            keras.layers.Embedding.build(self, input_shape)
            self.reverse_embeddings = self.add_weight(
                shape=(self.reverse_dim, self.input_dim),
                initializer=self.embeddings_initializer,
                name="reverse_embeddings",
            )
        self.bias = self.add_weight(
            shape=(self.input_dim,), initializer="zeros", name="bias"
        )

    def call(self, inputs, reverse=False):
        if not reverse:
            return super().call(inputs)
        # embeddings take ids as they come: Keras casts no input of theirs
        inputs = keras.ops.cast(inputs, self.compute_dtype)
        logits = super().call(inputs, reverse=True)
        return logits + keras.ops.cast(self.bias, logits.dtype)

    def get_config(self):
        return {**super().get_config(), "reverse_dim": self.reverse_dim}

    @property
    def variable_serialization_spec(self):
        # Keras saves the weights of an embedding by this list alone
        return {
            mode: [*names, "bias"]
            for mode, names in super().variable_serialization_spec.items()
        }
