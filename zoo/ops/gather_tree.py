"""Sequences out of the steps of a beam search that kept parents alone."""

from keras import ops

from zoo.ops.recurrent import unroll


def gather_tree(ids, parents, max_lengths, end_id):
    """Follows the parents of beams from their last step to their first.

    ```
    p_L = k                         for beam k, with L = max_lengths - 1
    out_t = ids_t[p_t]              p_{t-1} = parents_t[p_t]
    ```

    What comes after the first `end_id` of a sequence, and every step from
    `max_lengths` on, is `end_id`. `zoo.decoding.beam_search` needs none of
    this, it returns sequences; this is for steps that come from elsewhere,
    in the layout of TensorFlow Addons.

    Args:
        ids: Integer tokens, `(time, batch_size, beam_width)`.
        parents: Integers of the same shape: the beam of the step before that
            each beam continues.
        max_lengths: Integer number of steps of each row, `(batch_size,)`.
        end_id: Integer, the token that ends a sequence.

    Returns:
        Tokens like `ids`.

    Raises:
        ValueError: If `ids` and `parents` differ in their shape or are not of
            rank 3.

    Example:

    >>> import numpy as np
    >>> ids = np.array([[[1, 2]], [[3, 4]]])
    >>> parents = np.array([[[0, 0]], [[1, 0]]])
    >>> np.asarray(gather_tree(ids, parents, [2], end_id=9)).tolist()
    [[[2, 1]], [[3, 4]]]
    """
    ids, parents = ops.convert_to_tensor(ids), ops.convert_to_tensor(parents)
    shapes = tuple(ids.shape), tuple(parents.shape)
    if len(shapes[0]) != 3 or shapes[0] != shapes[1]:
        raise ValueError(
            "Expected `ids` and `parents` of one shape (time, batch_size, "
            f"beam_width), got {shapes[0]} and {shapes[1]}. Put the time "
            "first: `keras.ops.transpose(x, (1, 0, 2))`."
        )
    time, batch_size, width = ops.shape(ids)
    steps = ops.arange(time)[:, None]
    real = steps < ops.cast(max_lengths, steps.dtype)
    beams = ops.broadcast_to(ops.arange(width), (batch_size, width))

    def step(packed, beam):
        ids_t, parents_t = packed
        token = ops.take_along_axis(ids_t, beam, axis=1)
        parent = ops.take_along_axis(parents_t, beam, axis=1)
        return token, ops.cast(parent, beam.dtype)

    packed = [ops.transpose(x, (1, 0, 2)) for x in (ids, parents)]
    tokens, _ = unroll(
        step, packed, beams, mask=ops.transpose(real), reverse=True
    )
    tokens = ops.transpose(tokens, (1, 0, 2))
    end = ops.cast(end_id, tokens.dtype)
    ended = ops.cast(tokens == end, "int32")
    before = ops.cumsum(ended, axis=0) - ended
    keep = ops.logical_and(real[:, :, None], before == 0)
    return ops.where(keep, tokens, end)
