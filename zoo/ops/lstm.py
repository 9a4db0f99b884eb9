"""The LSTM over a whole sequence, as a function of its weights."""

from keras import ops

from zoo.ops.lstm_options import PLAIN
from zoo.ops.lstm_options import lstm_gates
from zoo.ops.lstm_options import lstm_options_step
from zoo.ops.lstm_options import normalize
from zoo.ops.lstm_options import unroll_lstm_options
from zoo.ops.recurrent import project_sequences
from zoo.ops.recurrent import unroll_by_hand
from zoo.ops.recurrent_path import choose_path
from zoo.ops.recurrent_path import recurrent_path


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

    Example:

    >>> h, c = lstm_step(ops.zeros((2, 12)), ops.ones((2, 3)))
    >>> tuple(h.shape), float(c[0, 0])
    ((2, 3), 0.5)
    """
    return lstm_gates(z, c, activation, recurrent_activation)[:2]


def lstm_path(
    activation=ops.tanh,
    recurrent_activation=ops.sigmoid,
    options=PLAIN,
    return_gates=False,
):
    """Says which implementation `zoo.ops.lstm` takes, and why.

    Dropout of inputs, recurrent output or recurrent kernel changes nothing.

    Args:
        activation: As for `zoo.ops.lstm`.
        recurrent_activation: As for `zoo.ops.lstm`.
        options: As for `zoo.ops.lstm`; only what is not `None` counts.
        return_gates: As for `zoo.ops.lstm`.

    Returns:
        Tuple of the path's name, `"bptt"` or `"loop"`, and the reason.

    Example:

    >>> import keras
    >>> from zoo.ops import LSTMOptions, lstm_path
    >>> lstm_path(activation=keras.ops.relu)
    ('loop', 'activation is not tanh')
    >>> lstm_path(options=LSTMOptions(zoneout=(0.05, 0.5)))
    ('loop', 'the hand-derived gradient has no zoneout')
    """
    lacking = [
        f"the hand-derived gradient has no {name}"
        for name, option in options._asdict().items()
        if option is not None
    ]
    if return_gates:
        lacking.append("the hand-derived gradient keeps no gates")
    return recurrent_path(activation, recurrent_activation, lacking)


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
    options=PLAIN,
    return_gates=False,
):
    """Long short-term memory over a sequence.

    ```
    [z_i, z_f, z_g, z_o] = x_t W + h_{t-1} U + b
    c_t = sigmoid(z_f) * c_{t-1} + sigmoid(z_i) * tanh(z_g)
    h_t = sigmoid(z_o) * tanh(c_t)
    ```

    after Gers, Schmidhuber & Cummins, "Learning to Forget" (2000); `options`
    can add to it, with the equations of `zoo.layers.LSTMCell`. Products with
    `W` are taken for all steps before the loop. Masked steps carry the state
    and output zeros.

    Args:
        inputs: `x`, shape `(batch_size, time, features)`.
        initial_state: `[h, c]`, each of shape `(batch_size, units)`.
        kernel: `W`, shape `(features, 4 * units)`; columns in the order of
            input, forget, candidate and output gate, as in Keras.
        recurrent_kernel: `U`, shape `(units, 4 * units)`, or as many rows as
            the projection is wide.
        bias: `b`, shape `(4 * units,)`, or `None`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        reverse: If true, runs from the last step to the first.
        activation: Function in place of tanh.
        recurrent_activation: Function in place of sigmoid.
        recurrent_mask: Factor on `h_{t-1}` in `h_{t-1} U`, shape
            `(batch_size, units)`: variational recurrent dropout.
        path: `"loop"` or `"bptt"` to insist on an implementation; by default
            the one that `lstm_path` names.
        options: A `zoo.ops.LSTMOptions`.
        return_gates: If true, the gates of all steps are returned too.

    Returns:
        Tuple `(outputs, [h, c])`: outputs of shape
        `(batch_size, time, units)` in the order of the inputs, also when
        `reverse=True`, and the last state. With `return_gates` a third
        entry, `zoo.ops.LSTMGates` of the shape of the outputs before any
        projection, zero at masked steps.

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
    path = choose_path(
        path,
        *lstm_path(activation, recurrent_activation, options, return_gates),
        says="lstm_path",
    )
    if path == "bptt":
        return unroll_by_hand(
            "lstm",
            inputs,
            initial_state,
            kernel,
            bias,
            [recurrent_kernel],
            mask,
            recurrent_mask,
            reverse,
        )

    z, mask = _project(inputs, kernel, bias, mask, options.norms)

    def step(z_t, state, options_t):
        return lstm_options_step(
            z_t,
            state,
            recurrent_kernel,
            activation,
            recurrent_activation,
            recurrent_mask,
            options_t,
        )

    return unroll_lstm_options(
        step, z, initial_state, mask, reverse, options, return_gates
    )


def _project(inputs, kernel, bias, mask, norms):
    """Products with the kernel, normalised before the bias is added."""
    if norms is None:
        return project_sequences(inputs, kernel, bias, mask)
    z, mask = project_sequences(inputs, kernel, mask=mask)
    z = normalize(z, norms.kernel, norms.epsilon)
    return (z if bias is None else z + bias), mask
