"""What monotonic attention adds to a score: a pointer that never goes back."""

import numbers

import keras
from keras import ops

from zoo.layers.attention_mechanism import AttentionMechanism
from zoo.layers.attention_mechanism import source_length
from zoo.layers.recurrent_cell import check_seed
from zoo.ops.monotonic import check_mode
from zoo.ops.monotonic import monotonic_attention


class MonotonicAttention(AttentionMechanism):
    """Base class of monotonic attention, to stand before a class with a score.

    ```
    p_s = sigmoid(e_s + r)                       "parallel", "recursive"
    p_s = 1 if e_s + r > 0, else 0               "hard"
    a = monotonic_attention(p, previous a)
    context = sum_s a_s m_s
    ```

    `e_s` is the score, `r` is `score_bias`. The state holds the alignments of
    the step before; at first the pointer stands at the first position. What
    `zoo.ops.monotonic_attention` says of `previous` and `mode` holds here.

    Args:
        mode: `"parallel"`, `"recursive"` or `"hard"`.
        sigmoid_noise: Standard deviation of the noise on the scores in
            training.
        score_bias_initializer: Initializer of `score_bias`.
        seed: Seed of the noise.
        **kwargs: Arguments of the class with the score.

    Raises:
        ValueError: If `mode` is unknown, `sigmoid_noise` is negative, or
            `probability` is given, which `mode` stands for.
    """

    def __init__(
        self,
        mode="parallel",
        sigmoid_noise=0.0,
        score_bias_initializer="zeros",
        seed=None,
        **kwargs,
    ):
        check_mode(mode)
        check_noise(sigmoid_noise)
        check_seed(seed)
        if "probability" in kwargs:
            raise ValueError(
                "Expected no `probability` with monotonic attention, got "
                f"{kwargs['probability']!r}. Its `mode` says how scores "
                "become alignments."
            )
        super().__init__(**kwargs)
        self.mode = mode
        self.sigmoid_noise = sigmoid_noise
        self.score_bias_initializer = keras.initializers.get(
            score_bias_initializer
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed=seed)

    def build(self, query_shape, memory_shape):
        super().build(query_shape, memory_shape)
        self.score_bias = self.add_weight(
            (), name="score_bias", initializer=self.score_bias_initializer
        )

    def get_initial_state(self, batch_size, memory=None):
        length = source_length(memory)
        first = ops.cast(ops.arange(length) == 0, self.compute_dtype)
        zeros = ops.zeros((batch_size, length), dtype=self.compute_dtype)
        return [zeros + first]

    def compute_alignments(self, query, keys, mask, state, training=False):
        scores = ops.cast(self.compute_scores(query, keys), self._exact_dtype)
        scores = scores + self._weight(self.score_bias, self._exact_dtype)
        if training and self.sigmoid_noise:
            noise = keras.random.normal(
                ops.shape(scores), dtype=scores.dtype, seed=self.seed_generator
            )
            scores = scores + self.sigmoid_noise * noise
        if self.mode == "hard":
            probabilities = ops.cast(scores > 0, scores.dtype)
        else:
            probabilities = ops.sigmoid(scores)
        if mask is not None:
            zeros = ops.zeros_like(probabilities)
            probabilities = ops.where(mask, probabilities, zeros)
        alignments = monotonic_attention(probabilities, state[0], self.mode)
        alignments = ops.cast(alignments, self.compute_dtype)
        return alignments, [alignments]

    def get_config(self):
        config = super().get_config()
        del config["probability"]
        config.update(
            mode=self.mode,
            sigmoid_noise=self.sigmoid_noise,
            score_bias_initializer=keras.initializers.serialize(
                self.score_bias_initializer
            ),
            seed=self.seed,
        )
        return config


def check_noise(deviation):
    """Raises `ValueError` unless a standard deviation is a number from 0 on."""
    number = isinstance(deviation, numbers.Real)
    if not number or isinstance(deviation, bool) or not deviation >= 0:
        raise ValueError(
            "Expected `sigmoid_noise`, a standard deviation, to be a number "
            f"from 0 on, got {deviation!r}. 0 means no noise."
        )
