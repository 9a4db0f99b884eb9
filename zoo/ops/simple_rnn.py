"""The simple recurrent network over a sequence, as a function of weights."""

from keras import ops

from zoo.ops.recurrent import project_sequences
from zoo.ops.recurrent import unroll
from zoo.ops.recurrent import unroll_by_hand
from zoo.ops.recurrent_path import choose_path
from zoo.ops.recurrent_path import recurrent_path


def simple_rnn_path(activation=ops.tanh):
    """Says which implementation `zoo.ops.simple_rnn` takes, and why.

    Masks and dropout change nothing.

    Args:
        activation: As for `zoo.ops.simple_rnn`.

    Returns:
        Tuple of the path's name, `"bptt"` or `"loop"`, and the reason.

    Example:

    >>> import keras
    >>> from zoo.ops import simple_rnn_path
    >>> simple_rnn_path(keras.ops.relu)
    ('loop', 'activation is not tanh')
    """
    return recurrent_path(activation)


def simple_rnn(
    inputs,
    initial_state,
    kernel,
    recurrent_kernel,
    bias=None,
    mask=None,
    reverse=False,
    activation=ops.tanh,
    recurrent_mask=None,
    path=None,
):
    """Simple recurrent network over a sequence.

    ```
    h_t = tanh(x_t W + h_{t-1} U + b)
    ```

    after Elman, "Finding Structure in Time" (1990), with tanh in place of the
    logistic function. Products with `W` are taken for all steps before the
    loop. Masked steps carry the state and output zeros.

    Args:
        inputs: `x`, shape `(batch_size, time, features)`.
        initial_state: `[h]`, shape `(batch_size, units)`.
        kernel: `W`, shape `(features, units)`.
        recurrent_kernel: `U`, shape `(units, units)`.
        bias: `b`, shape `(units,)`, or `None`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        reverse: If true, runs from the last step to the first.
        activation: Function in place of tanh.
        recurrent_mask: Factor on `h_{t-1}` in `h_{t-1} U`, shape
            `(batch_size, units)`: variational recurrent dropout.
        path: `"loop"` or `"bptt"` to insist on an implementation; by default
            the one that `simple_rnn_path` names.

    Returns:
        Tuple `(outputs, [h])`: outputs of shape `(batch_size, time, units)`
        in the order of the inputs, also when `reverse=True`, and the last
        state.

    Raises:
        ValueError: If `inputs` is not of rank 3, `mask` does not fit it, or
            `path` is not possible here.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import simple_rnn
    >>> x, h = np.ones((2, 3, 4), "float32"), np.zeros((2, 5), "float32")
    >>> kernel, recurrent = np.ones((4, 5)), np.ones((5, 5))
    >>> outputs, (h,) = simple_rnn(
    ...     x, [h], kernel.astype("float32"), recurrent.astype("float32"))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((2, 3, 5), (2, 5))
    """
    path = choose_path(
        path, *simple_rnn_path(activation), says="simple_rnn_path"
    )
    if path == "bptt":
        return unroll_by_hand(
            "simple_rnn",
            inputs,
            initial_state,
            kernel,
            bias,
            [recurrent_kernel],
            mask,
            recurrent_mask,
            reverse,
        )

    z, mask = project_sequences(inputs, kernel, bias, mask)

    def step(z_t, state):
        (h,) = state
        fed = h if recurrent_mask is None else h * recurrent_mask
        h = activation(z_t + ops.matmul(fed, recurrent_kernel))
        return h, [h]

    return unroll(step, z, list(initial_state), mask=mask, reverse=reverse)
