"""Embeddings of the words that a text of characters has no spaces between."""

import keras
from keras import ops

from zoo.layers.recurrent_cell import check_positive_integer

# so that the hash stays below 2^31: backends differ in what lies beyond
MOST_BUCKETS = 50_000


@keras.saving.register_keras_serializable(package="zoo")
class NgramEmbedding(keras.layers.Layer):
    """Embedding of the n tokens that end at each place, from a hash table.

    ```
    h_1 = x_{t-n+1} mod B
    h_i = (h_{i-1} k + x_{t-n+i}) mod B        i = 2 .. n
    y_t = E_{h_n}
    ```

    with B rows in the table E and k = 0.618 B, made odd (Knuth, "The Art of
    Computer Programming" 3, section 6.4, Fibonacci hashing). Places before the
    first token count as id 0, padding. n-grams that meet in a row share it,
    so the table has a size of its own choice and an n-gram that training
    never showed needs no treatment.

    Added to the embeddings of characters it tells a word from the characters
    that it is made of: 国 by itself is a country, in 外国 it is abroad, in
    中国 it is China. Source of hashed n-grams: Joulin, Grave, Bojanowski &
    Mikolov, "Bag of Tricks for Efficient Text Classification" (2017),
    https://aclanthology.org/E17-2068, section 2.

    Args:
        buckets: Number of rows B, from 2 to 50,000.
        output_dim: Width of an embedding.
        n: Number of tokens in an n-gram, at least 1.
        embeddings_initializer: Initializer of E.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        token_ids: Integers from 0 on, `(batch_size, time)`.

    Returns:
        Tensor of shape `(batch_size, time, output_dim)`.

    Raises:
        ValueError: If `buckets`, `output_dim` or `n` is out of its range.

    Example:

    >>> import numpy as np
    >>> layer = NgramEmbedding(buckets=100, output_dim=8)
    >>> tuple(layer(np.array([[5, 6, 7], [5, 6, 0]])).shape)
    (2, 3, 8)
    """

    def __init__(
        self,
        buckets,
        output_dim,
        n=2,
        embeddings_initializer="uniform",
        **kwargs,
    ):
        check_positive_integer(
            "buckets", buckets, "It is the number of rows in the table."
        )
        if not 2 <= buckets <= MOST_BUCKETS:
            raise ValueError(
                f"Expected `buckets` to be from 2 to {MOST_BUCKETS}, got "
                f"{buckets!r}. It is the number of rows in the table."
            )
        check_positive_integer(
            "output_dim", output_dim, "It is the width of the embedding."
        )
        check_positive_integer(
            "n", n, "It counts the tokens of an n-gram: 2 for pairs."
        )
        super().__init__(**kwargs)
        self.buckets = buckets
        self.output_dim = output_dim
        self.n = n
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )
        self.embedding = keras.layers.Embedding(
            buckets,
            output_dim,
            embeddings_initializer=self.embeddings_initializer,
            dtype=self.dtype_policy,
            name="embedding",
        )

    def build(self, token_ids_shape):
        self.embedding.build(token_ids_shape)

    def call(self, token_ids):
        ids = ops.cast(token_ids, "int32")
        length = ops.shape(ids)[1]
        padded = ops.pad(ids, ((0, 0), (self.n - 1, 0)))
        multiplier = int(0.618 * self.buckets) | 1
        rows = padded[:, :length] % self.buckets
        for i in range(1, self.n):
            following = padded[:, i : i + length] % self.buckets
            rows = (rows * multiplier + following) % self.buckets
        return self.embedding(rows)

    def get_config(self):
        config = super().get_config()
        config.update(
            buckets=self.buckets,
            output_dim=self.output_dim,
            n=self.n,
            embeddings_initializer=keras.initializers.serialize(
                self.embeddings_initializer
            ),
        )
        return config
