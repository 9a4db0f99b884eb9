"""The LSTM over a whole sequence, as a function of its weights."""

import keras
from keras import ops

from zoo.ops.attention import zero_padding
from zoo.ops.backend import load_backend
from zoo.ops.recurrent import project_sequences
from zoo.ops.recurrent import swap_batch_and_time
from zoo.ops.recurrent import unroll


def lstm_step(z, c, activation=ops.tanh, recurrent_activation=ops.sigmoid):
    """One step of the LSTM from the gates' pre-activations.

    ```
    i = sigmoid(z_i)   f = sigmoid(z_f)   g = tanh(z_g)   o = sigmoid(z_o)
    c' = f * c + i * g
    h' = o * tanh(c')
    ```

    Args:
        z: Pre-activations of input, forget, candidate and output gate, in
            this order, shape `(batch_size, 4 * units)`.
        c: Cell state before the step, shape `(batch_size, units)`.
        activation: Function of the candidate and of the cell state.
        recurrent_activation: Function of the three gates.

    Returns:
        Tuple `(h, c)` of the states after the step.
    """
    # i = input, f = forget, g = candidate, o = output
    i, f, g, o = ops.split(z, 4, axis=-1)
    c = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
    return recurrent_activation(o) * activation(c), c


def lstm_path(activation=ops.tanh, recurrent_activation=ops.sigmoid):
    """Says which implementation `zoo.ops.lstm` takes, and why.

    Args:
        activation: As for `zoo.ops.lstm`.
        recurrent_activation: As for `zoo.ops.lstm`.

    Returns:
        Tuple of the path's name, `"bptt"` or `"loop"`, and the reason.

    Example:

    >>> import keras
    >>> from zoo.ops import lstm_path
    >>> lstm_path(activation=keras.ops.relu)
    ('loop', 'activation is not tanh')
    """
    if not _is_function(activation, "tanh"):
        return "loop", "activation is not tanh"
    if not _is_function(recurrent_activation, "sigmoid"):
        return "loop", "recurrent_activation is not sigmoid"
    if keras.config.backend() != "tensorflow":
        return "loop", "the hand-derived gradient is TensorFlow's alone"
    return "bptt", "hand-derived gradient: tanh and sigmoid on TensorFlow"


def lstm(
    inputs,
    initial_state,
    kernel,
    recurrent_kernel,
    bias=None,
    mask=None,
    reverse=False,
    activation=ops.tanh,
    recurrent_activation=ops.sigmoid,
    recurrent_mask=None,
    path=None,
):
    """Long short-term memory over a sequence.

    ```
    [z_i, z_f, z_g, z_o] = x_t W + h_{t-1} U + b
    c_t = sigmoid(z_f) * c_{t-1} + sigmoid(z_i) * tanh(z_g)
    h_t = sigmoid(z_o) * tanh(c_t)
    ```

    after Gers, Schmidhuber & Cummins, "Learning to Forget" (2000), without
    peepholes. Products with `W` are taken for all steps before the loop.
    Masked steps carry the state and output zeros.

    Args:
        inputs: `x`, shape `(batch_size, time, features)`.
        initial_state: `[h, c]`, each of shape `(batch_size, units)`.
        kernel: `W`, shape `(features, 4 * units)`; columns in the order of
            input, forget, candidate and output gate, as in Keras.
        recurrent_kernel: `U`, shape `(units, 4 * units)`.
        bias: `b`, shape `(4 * units,)`, or `None`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        reverse: If true, runs from the last step to the first.
        activation: Function in place of tanh.
        recurrent_activation: Function in place of sigmoid.
        recurrent_mask: Factor on `h_{t-1}` in `h_{t-1} U`, shape
            `(batch_size, units)`: variational recurrent dropout.
        path: `"loop"` or `"bptt"` to insist on an implementation; by default
            the one that `lstm_path` names.

    Returns:
        Tuple `(outputs, [h, c])`: outputs of shape
        `(batch_size, time, units)` in the order of the inputs, also when
        `reverse=True`, and the last state.

    Raises:
        ValueError: If `inputs` is not of rank 3, `mask` does not fit it, or
            `path` is not possible here.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import lstm
    >>> x, state = np.ones((2, 3, 4), "float32"), np.zeros((2, 5), "float32")
    >>> kernel, recurrent = np.ones((4, 20)), np.ones((5, 20))
    >>> outputs, (h, c) = lstm(
    ...     x, [state, state], kernel.astype("float32"),
    ...     recurrent.astype("float32"))
    >>> tuple(outputs.shape), tuple(c.shape)
    ((2, 3, 5), (2, 5))
    """
    h, c = (ops.convert_to_tensor(x) for x in initial_state)
    z, mask = project_sequences(inputs, kernel, bias, mask)
    default, reason = lstm_path(activation, recurrent_activation)
    path = path or default
    if path not in ("loop", default):
        expected = " or ".join(map(repr, sorted({"loop", default})))
        raise ValueError(
            f"Expected `path` to be {expected} ({reason}), got {path!r}. See "
            "`zoo.ops.lstm_path`."
        )
    if path == "bptt":
        hs, h, c = load_backend().lstm_bptt(
            swap_batch_and_time(z),
            h,
            c,
            recurrent_kernel,
            None if mask is None else swap_batch_and_time(mask[..., None]),
            recurrent_mask,
            reverse,
        )
        return zero_padding(swap_batch_and_time(hs), mask), [h, c]

    def step(z_t, state):
        h, c = state
        fed = h if recurrent_mask is None else h * recurrent_mask
        h, c = lstm_step(
            z_t + ops.matmul(fed, recurrent_kernel),
            c,
            activation,
            recurrent_activation,
        )
        return h, [h, c]

    return unroll(step, z, [h, c], mask=mask, reverse=reverse)


def _is_function(function, name):
    """Whether `function` is the one that Keras knows as `name`."""
    return function in (getattr(ops, name), keras.activations.get(name))
