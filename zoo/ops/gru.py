"""The gated recurrent unit over a whole sequence, as a function of weights."""

from keras import ops

from zoo.ops.recurrent import project_sequences
from zoo.ops.recurrent import unroll
from zoo.ops.recurrent import unroll_by_hand
from zoo.ops.recurrent_path import choose_path
from zoo.ops.recurrent_path import recurrent_path


def gru_step(
    x,
    h,
    recurrent_kernel,
    recurrent_bias=None,
    activation=ops.tanh,
    recurrent_activation=ops.sigmoid,
    reset_after=True,
    fed=None,
):
    """One step of the gated recurrent unit.

    ```
    z = sigmoid(x_z + h U_z)        r = sigmoid(x_r + h U_r)
    g = tanh(x_h + r * (h U_h))     if reset_after, else
    g = tanh(x_h + (r * h) U_h)
    h' = z * h + (1 - z) * g
    ```

    Args:
        x: The input's share of the pre-activations of update gate, reset gate
            and candidate, in this order, shape `(batch_size, 3 * units)`.
        h: State before the step, shape `(batch_size, units)`.
        recurrent_kernel: `U`, shape `(units, 3 * units)`.
        recurrent_bias: Added to `h U`, shape `(3 * units,)`, or `None`.
        activation: Function of the candidate.
        recurrent_activation: Function of the two gates.
        reset_after: Whether the reset gate acts after the product with `U_h`.
        fed: What enters `U` in place of `h`, such as `h` with dropout.

    Returns:
        The state after the step, shape `(batch_size, units)`.

    Example:

    >>> h = gru_step(ops.zeros((2, 9)), ops.ones((2, 3)), ops.zeros((3, 9)))
    >>> tuple(h.shape), float(h[0, 0])
    ((2, 3), 0.5)
    """
    units = h.shape[-1]
    x_gates, x_h = x[:, : 2 * units], x[:, 2 * units :]
    fed = h if fed is None else fed
    inside = recurrent_kernel if reset_after else recurrent_kernel[:, :-units]
    recurrent = ops.matmul(fed, inside)
    if recurrent_bias is not None:
        recurrent = recurrent + recurrent_bias[: inside.shape[-1]]
    gates = recurrent_activation(x_gates + recurrent[:, : 2 * units])
    z, r = gates[:, :units], gates[:, units:]
    if reset_after:
        recurrent_h = r * recurrent[:, 2 * units :]
    else:
        recurrent_h = ops.matmul(r * fed, recurrent_kernel[:, -units:])
        if recurrent_bias is not None:
            recurrent_h = recurrent_h + recurrent_bias[-units:]
    return z * h + (1 - z) * activation(x_h + recurrent_h)


def gru_path(activation=ops.tanh, recurrent_activation=ops.sigmoid):
    """Says which implementation `zoo.ops.gru` takes, and why.

    `reset_after`, masks and dropout change nothing.

    Args:
        activation: As for `zoo.ops.gru`.
        recurrent_activation: As for `zoo.ops.gru`.

    Returns:
        Tuple of the path's name, `"bptt"` or `"loop"`, and the reason.

    Example:

    >>> import keras
    >>> from zoo.ops import gru_path
    >>> gru_path(recurrent_activation=keras.ops.hard_sigmoid)
    ('loop', 'recurrent_activation is not sigmoid')
    """
    return recurrent_path(activation, recurrent_activation)


def gru(
    inputs,
    initial_state,
    kernel,
    recurrent_kernel,
    bias=None,
    recurrent_bias=None,
    mask=None,
    reverse=False,
    activation=ops.tanh,
    recurrent_activation=ops.sigmoid,
    reset_after=True,
    recurrent_mask=None,
    path=None,
):
    """Gated recurrent unit over a sequence.

    ```
    [x_z, x_r, x_h] = x_t W + b
    h_t = gru_step([x_z, x_r, x_h], h_{t-1})
    ```

    after Cho et al., "Learning Phrase Representations using RNN
    Encoder-Decoder for Statistical Machine Translation" (2014), with
    `reset_after` in the variant that cuDNN computes. Products with `W` are
    taken for all steps before the loop. Masked steps carry the state and
    output zeros.

    Args:
        inputs: `x`, shape `(batch_size, time, features)`.
        initial_state: `[h]`, shape `(batch_size, units)`.
        kernel: `W`, shape `(features, 3 * units)`; columns in the order of
            update gate, reset gate and candidate, as in Keras.
        recurrent_kernel: `U`, shape `(units, 3 * units)`.
        bias: `b`, shape `(3 * units,)`, or `None`.
        recurrent_bias: Added to `h_{t-1} U`, of the same shape, or `None`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        reverse: If true, runs from the last step to the first.
        activation: Function in place of tanh.
        recurrent_activation: Function in place of sigmoid.
        reset_after: As for `gru_step`.
        recurrent_mask: Factor on `h_{t-1}` where it enters `U`, shape
            `(batch_size, units)`: variational recurrent dropout.
        path: `"loop"` or `"bptt"` to insist on an implementation; by default
            the one that `gru_path` names.

    Returns:
        Tuple `(outputs, [h])`: outputs of shape `(batch_size, time, units)`
        in the order of the inputs, also when `reverse=True`, and the last
        state.

    Raises:
        ValueError: If `inputs` is not of rank 3, `mask` does not fit it, or
            `path` is not possible here.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import gru
    >>> x, h = np.ones((2, 3, 4), "float32"), np.zeros((2, 5), "float32")
    >>> kernel, recurrent = np.ones((4, 15)), np.ones((5, 15))
    >>> outputs, (h,) = gru(
    ...     x, [h], kernel.astype("float32"), recurrent.astype("float32"))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((2, 3, 5), (2, 5))
    """
    path = choose_path(
        path, *gru_path(activation, recurrent_activation), says="gru_path"
    )
    if path == "bptt":
        return _by_hand(
            inputs,
            initial_state,
            kernel,
            ops.convert_to_tensor(recurrent_kernel),
            bias,
            recurrent_bias,
            reset_after,
            mask,
            recurrent_mask,
            reverse,
        )

    x, mask = project_sequences(inputs, kernel, bias, mask)

    def step(x_t, state):
        h = state[0]
        h = gru_step(
            x_t,
            h,
            recurrent_kernel,
            recurrent_bias,
            activation,
            recurrent_activation,
            reset_after,
            h if recurrent_mask is None else h * recurrent_mask,
        )
        return h, [h]

    return unroll(step, x, list(initial_state), mask=mask, reverse=reverse)


def _by_hand(
    inputs,
    initial_state,
    kernel,
    recurrent_kernel,
    bias,
    recurrent_bias,
    reset_after,
    *rest,
):
    """The path "bptt": a bias on a sum that has one already joins it."""
    units = recurrent_kernel.shape[0]
    outer = recurrent_bias
    if reset_after:
        name = "gru_reset_after"
        if recurrent_bias is None:
            inner = ops.zeros((units,), dtype=recurrent_kernel.dtype)
        else:
            inner = recurrent_bias[-units:]
            outer = ops.pad(recurrent_bias[:-units], [[0, units]])
        weights = [recurrent_kernel, inner]
    else:
        name = "gru_reset_before"
        weights = [recurrent_kernel[:, :-units], recurrent_kernel[:, -units:]]
    if bias is None or outer is None:
        bias = outer if bias is None else bias
    else:
        bias = bias + outer
    return unroll_by_hand(
        name, inputs, initial_state, kernel, bias, weights, *rest
    )
