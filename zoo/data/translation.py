"""What a translation consists of."""

from typing import NamedTuple

import numpy as np


class Translation(NamedTuple):
    """A translated sentence and where it came from.

    Attributes:
        text: The translation.
        score: Its score in the search: the log-probability of its tokens,
            end token included, divided by the length penalty.
        source_tokens: The tokens that the encoder read, end token included.
        target_tokens: The tokens that the decoder wrote, end token included
            if it got there.
        alignments: How much each target token looked at each source token,
            float32 array of shape `(len(target_tokens), len(source_tokens))`
            whose rows sum to one; `None` for a model without attention.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> one = zoo.data.Translation(
    ...     "Hi.", -0.1, ["嗨", "<eos>"], ["▁Hi.", "<eos>"], np.eye(2))
    >>> one.source_tokens[one.alignments[0].argmax()]
    '嗨'
    """

    text: str
    score: float
    source_tokens: list[str]
    target_tokens: list[str]
    alignments: np.ndarray | None
