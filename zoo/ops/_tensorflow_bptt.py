"""TensorFlow: backpropagation through time, its gradient derived by hand."""

import tensorflow as tf

from zoo.ops._tensorflow_loop import empty_array
from zoo.ops._tensorflow_loop import loop
from zoo.ops._tensorflow_loop import time_of
from zoo.ops._tensorflow_recurrences import RECURRENCES


def bptt(name, x, state, weights, mask, recurrent_mask, reverse):
    """Runs a recurrence over time, and back when a gradient is asked for.

    The loop forward keeps what the derivatives are made of; out of it come,
    for all steps at once, the factors by which gradients are multiplied. The
    loop back holds the gradient of the states alone: its products are with
    weights that were transposed once, before it, since TensorFlow multiplies
    a few rows by a transposed matrix at a third of the speed. The gradients
    of the weights are single products over all steps, after the loop.

    Args:
        name: One of `RECURRENCES`.
        x: Projected inputs, `(time, batch_size, width)`.
        state: List of initial states, `(batch_size, units)`, the first of
            which is the output.
        weights: List of what the recurrence multiplies or adds.
        mask: Boolean `(time, batch_size, 1)`, or `None`.
        recurrent_mask: Factor on the output wherever it enters a product,
            `(batch_size, units)`, or `None`.
        reverse: If true, runs from the last step to the first.

    Returns:
        Tuple of the outputs of all steps, `(time, batch_size, units)`, masked
        steps repeating the one before them, and the list of the last states.
    """
    recurrence = RECURRENCES[name]
    time = time_of(x)
    batch_size, units = state[0].shape
    dropout = [] if recurrent_mask is None else [recurrent_mask]

    def index(count):
        return time - 1 - count if reverse else count

    def array(*shape):
        return empty_array(time, x.dtype, shape)

    @tf.custom_gradient
    def run(x, *tensors):
        start, weights, dropout = tf.nest.pack_sequence_as(arguments, tensors)

        def feed(h):
            return h * dropout[0] if dropout else h

        def forward(count, state, hs, kept):
            t = index(count)
            new_state, kept_t = recurrence.step(
                x[t], feed(state[0]), state, weights
            )
            if mask is not None:
                new_state = _where(mask[t], new_state, state)
            # one array for all that is kept: each costs every step its turn
            packed = [tf.stack(kept_t)] if kept_t else []
            kept = _write(kept, t, packed)
            return count + 1, new_state, hs.write(t, new_state[0]), kept

        kept = [array(recurrence.kept, batch_size, units)]
        state, hs, kept = loop(
            time,
            forward,
            [start, array(batch_size, units), kept if recurrence.kept else []],
        )
        hs = hs.stack()
        kept = [x for xs in kept for x in tf.unstack(xs.stack(), axis=1)]

        def backward(d_hs, *d_state):
            previous = _previous(start[0], hs, reverse)
            fed = feed(previous)
            transposed = [tf.transpose(weight) for weight in weights]
            factors = recurrence.factors(kept, previous, fed, hs)
            if mask is not None:
                # nothing reaches what a masked step has computed
                factors = _where(mask, factors, [0] * len(factors))

            def step_back(count, d_state, d_dropout, d_products):
                t = index(time - 1 - count)
                d_state = [d_state[0] + d_hs[t], *d_state[1:]]
                d_products_t, d_fed, (d_h, *d_others) = recurrence.step_back(
                    d_state, [x[t] for x in factors], transposed
                )
                d_through = feed(d_fed)
                d_h = d_through if d_h is None else d_through + d_h
                d_old = [d_h, *d_others]
                if mask is not None:
                    d_old = _where(mask[t], d_old, d_state)
                d_dropout = [d + d_fed * previous[t] for d in d_dropout]
                d_products = _write(d_products, t, d_products_t)
                return count + 1, d_old, d_dropout, d_products

            d_state, d_dropout, d_products = loop(
                time,
                step_back,
                [
                    list(d_state),
                    [tf.zeros_like(x) for x in dropout],
                    [array(batch_size, w * units) for w in recurrence.widths],
                ],
            )
            d_products = [array.stack() for array in d_products]
            d_x, d_weights = recurrence.finish(d_products, fed, kept)
            return d_x, *d_state, *d_weights, *d_dropout

        return (hs, *state), backward

    arguments = [state, weights, dropout]
    # tensors, since variables would need a gradient of their own
    hs, *state = run(x, *map(tf.convert_to_tensor, tf.nest.flatten(arguments)))
    return hs, state


def _write(arrays, t, values):
    return [array.write(t, x) for array, x in zip(arrays, values, strict=True)]


def _where(rows, new, old):
    return [tf.where(rows, x, y) for x, y in zip(new, old, strict=True)]


def _previous(initial, states, reverse):
    """The state before each step: `states` moved by one step."""
    if reverse:
        return tf.concat([states[1:], initial[None]], axis=0)
    return tf.concat([initial[None], states[:-1]], axis=0)
