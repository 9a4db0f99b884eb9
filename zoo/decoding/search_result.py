"""What a search returns."""

from typing import Any
from typing import NamedTuple


class BeamSearchResult(NamedTuple):
    """The `R` best hypotheses of each of `B` sentences, best first.

    Where a sentence has fewer than `R` hypotheses (tokens may be forbidden by
    logits of `-inf`), the places left over hold nothing but `pad_id`, with
    length 0, `finished` False, and score and log-probability `-inf`.

    Attributes:
        ids: `(B, R, max_length)` int32. The tokens after the start token, the
            end token included, then `pad_id`.
        scores: `(B, R)` float32. What hypotheses are ranked by: `log_probs`
            with length and coverage penalty applied.
        log_probs: `(B, R)` float32. The sum of the natural log-probabilities
            of the tokens, end token included.
        lengths: `(B, R)` int32. The number of tokens, end token counted.
        finished: `(B, R)` bool. Whether the hypothesis has its end token, or
            was cut at `max_length`.
        alignments: `(B, R, max_length, S)`, in the dtype of the step function's
            alignments: where each token looked among the `S` source positions.
            Zeros after the end. `None` if the step returns no alignments.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import zoo
    >>> table = np.log([[1.0, 1e-9, 1e-9], [0.6, 0.1, 0.3], [0.9, 0.05, 0.05]])
    >>> def step(tokens, state):
    ...     return keras.ops.take(table, tokens, axis=0), state
    >>> found = zoo.decoding.beam_search(step, [1], (), 2, 3, end_id=0)
    >>> for ids, n in zip(found.ids[0], found.lengths[0]):
    ...     print(np.array(ids)[:int(n)])
    [0]
    [2 0]
    """

    ids: Any
    scores: Any
    log_probs: Any
    lengths: Any
    finished: Any
    alignments: Any = None
