"""Beam search: the best hypotheses under any step function."""

from keras import ops

from zoo.decoding import _arguments
from zoo.decoding._beams import Beams
from zoo.decoding._beams import BeamUpdates
from zoo.decoding.greedy_search import greedy_search


def beam_search(
    step,
    initial_tokens,
    initial_state,
    beam_width,
    max_length,
    end_id,
    length_penalty=0.0,
    coverage_penalty=0.0,
    *,
    memory_mask=None,
    min_length=0,
    num_results=None,
    pad_id=None,
    finished_only=False,
):
    """Finds the best hypotheses of each sentence, `beam_width` at a time.

    ```
    score(Y) = log P(Y) / lp(|Y|) + cp(Y)
    ```

    with `lp` from `zoo.decoding.length_penalty`, `cp` from
    `zoo.decoding.coverage_penalty`, and `|Y|` counting the end token: Wu et
    al., 2016, Eq. 14, https://arxiv.org/abs/1609.08144.

    Each step continues the `K = beam_width` most probable unfinished hypotheses
    by every token. The best `K` continuations that do not end live on. Those
    that end and are among the best `2 K` of all go into a pool of the
    best-scored finished hypotheses, where nothing happens to them any more.
    Hypotheses still unfinished at `max_length` compete with the pool by the
    same score. It follows that:

    * a sentence has the same result alone as in any batch (scores but for the
      rounding of their last digit);
    * where no hypothesis ever had to be dropped, the search is exhaustive;
    * the search stops as soon as no unfinished hypothesis of any sentence can
      still reach its `num_results` best: `log P` only falls and `cp` is never
      above 0, so none gets beyond `log P / lp(max_length)`. The results are the
      same as without stopping. A small `num_results` and a `max_length` not
      far above the outputs to be expected stop it sooner;
    * equal scores are ordered: the shorter finished hypothesis, finished before
      unfinished, the one that led so far, the lower token id.

    `beam_width=1` is greedy search: the first end token ends the search.

    It runs eagerly, in a graph or compiled by XLA, with any batch size.

    Args:
        step: function `step(tokens, state)`, with int32 tokens `(B * K,)` and
            the state in the structure of `initial_state`, its tensors
            `(B * K, ...)`; the `K` rows of a sentence are neighbours. Returns
            `(logits, state)` or `(logits, state, alignments)`: unnormalised
            scores of the next token `(B * K, V)`, `-inf` where it is forbidden,
            never NaN; the state in the same shapes and dtypes; and attention
            weights `(B * K, S)`. What the beams of a sentence share, such as
            the memory, is closed over by `step`: it is neither tiled nor moved.
        initial_tokens: `(B,)` integers, the start token of each sentence.
        initial_state: any nest (tuples, named tuples, lists, dicts) of tensors
            `(B, ...)`; `()` for none.
        beam_width: int, `K`, at least 1. May exceed the vocabulary.
        max_length: int, the most tokens of an output, end token included.
        end_id: int, the end token.
        length_penalty: float, at least 0: `alpha`. Default 0, which favours
            short outputs.
        coverage_penalty: float, at least 0: `beta`. Above 0, `step` must return
            alignments. Applied to whole hypotheses, finished or at
            `max_length`, not while they grow.
        memory_mask: `(B, S)` bool, True = real source position, for the
            coverage penalty. `None`: all are real.
        min_length: int, the least tokens of an output, end token included.
            The end token is not to be chosen before; the probabilities of the
            others stay as they are.
        num_results: int, `R`, from 1 to `beam_width`. Default: `beam_width`.
        pad_id: int, fills `ids` after the end. Default: `end_id`.
        finished_only: bool. If true, unfinished hypotheses are returned only
            for a sentence of which no hypothesis finished.

    Returns:
        A `zoo.decoding.BeamSearchResult` with `R` hypotheses for each sentence.

    Raises:
        ValueError: an option is out of its range, or `step` returns shapes
            other than documented.
        TypeError: an argument or the state that `step` returns has the wrong
            type.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import zoo
    >>> # Token 0 is the end. After the start, 3, token 1 looks better than 2,
    >>> # but what follows 2 is certain.
    >>> p = np.array([
    ...     [1.0, 0.0, 0.0, 0.0],
    ...     [0.4, 0.3, 0.3, 0.0],
    ...     [1.0, 0.0, 0.0, 0.0],
    ...     [0.0, 0.6, 0.4, 0.0],
    ... ])
    >>> logits = np.log(p + 1e-9)
    >>> def step(tokens, state):
    ...     return keras.ops.take(logits, tokens, axis=0), state
    >>> result = zoo.decoding.beam_search(step, [3], (), 2, 4, end_id=0)
    >>> print(np.array(result.ids[0]))
    [[2 0 0 0]
     [1 0 0 0]]
    >>> print(np.exp(np.asarray(result.log_probs[0])).round(2))
    [0.4  0.24]
    """
    _arguments.check_integer(
        "beam_width", beam_width, 1, "Pass 1 for greedy search."
    )
    if num_results is None:
        num_results = beam_width
    _arguments.check_integer(
        "num_results", num_results, 1, "Leave it out for `beam_width` results."
    )
    if num_results > beam_width:
        raise ValueError(
            "`num_results` must not be above `beam_width`, got "
            f"num_results={num_results} and beam_width={beam_width}. Ask for "
            "fewer results or widen the beam."
        )
    options = {
        "max_length": max_length,
        "end_id": end_id,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
        "min_length": min_length,
        "pad_id": pad_id,
    }
    options["pad_id"] = _arguments.check_options(**options)
    if beam_width == 1:
        return greedy_search(
            step,
            initial_tokens,
            initial_state,
            memory_mask=memory_mask,
            **options,
        )
    search = BeamUpdates(
        step,
        _arguments.check_tokens(initial_tokens),
        initial_state,
        _arguments.check_memory_mask(memory_mask),
        beam_width,
        num_results,
        finished_only,
        **options,
    )
    beams = ops.while_loop(search.goes_on, search.advance, search.start())
    return search.finish(Beams(*beams))
