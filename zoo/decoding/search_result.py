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
    """

    ids: Any
    scores: Any
    log_probs: Any
    lengths: Any
    finished: Any
    alignments: Any = None
