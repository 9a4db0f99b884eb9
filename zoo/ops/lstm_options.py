"""One step of the LSTM with whatever can be added to it."""

from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from zoo.ops.recurrent import unroll


class LSTMNorms(NamedTuple):
    """Weights of the layer normalisation of an LSTM.

    Attributes:
        kernel: `(gamma, beta)` of `x_t W`, each of shape `(4 * units,)`.
        recurrent: The same of `h_{t-1} U`.
        state: The same of `c_t`, each of shape `(units,)`.
        epsilon: Added to the variances.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import LSTMNorms
    >>> gamma, beta = np.ones(3), np.zeros(3)
    >>> wide = np.ones(12), np.zeros(12)
    >>> LSTMNorms(wide, wide, (gamma, beta)).epsilon
    0.001
    """

    kernel: Any
    recurrent: Any
    state: Any
    epsilon: float = 1e-3


class LSTMOptions(NamedTuple):
    """What is added to a plain LSTM; each is left out where it is `None`.

    Attributes:
        peepholes: `(p_i, p_f, p_o)`, each of shape `(units,)`.
        norms: An `LSTMNorms`.
        projection: Kernel of shape `(units, projection)`.
        zoneout: `(z_h, z_c)`, the shares of the old states that are kept:
            two fractions; or zeros and ones drawn with them, of the shape of
            `h` and `c` for one step, with time as the second axis for a
            sequence.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import LSTMOptions
    >>> from zoo.ops import lstm
    >>> x, state = np.ones((1, 4, 2)), [np.zeros((1, 3)), np.zeros((1, 3))]
    >>> kernel, recurrent = np.ones((2, 12)), np.ones((3, 12))
    >>> peepholes = np.ones(3), np.ones(3), np.ones(3)
    >>> outputs, state = lstm(
    ...     x, state, kernel, recurrent, options=LSTMOptions(peepholes))
    >>> tuple(outputs.shape)
    (1, 4, 3)
    """

    peepholes: Any = None
    norms: Any = None
    projection: Any = None
    zoneout: Any = None


PLAIN = LSTMOptions()


class LSTMGates(NamedTuple):
    """The gates of an LSTM and its candidate, each `(..., units)`.

    Attributes:
        input: `i`, from 0 to 1: how much of the candidate is taken in.
        forget: `f`, from 0 to 1: how much of the cell state is kept.
        candidate: `g`, from -1 to 1: what there is to take in.
        output: `o`, from 0 to 1: how much of the cell state is shown.

    Example:

    >>> import numpy as np
    >>> import zoo
    >>> layer = zoo.layers.LSTM(3, return_gates=True)
    >>> outputs, gates = layer(np.ones((2, 4, 5)))
    >>> tuple(gates.forget.shape)
    (2, 4, 3)
    """

    input: Any
    forget: Any
    candidate: Any
    output: Any


def lstm_gates(
    z,
    c,
    activation=ops.tanh,
    recurrent_activation=ops.sigmoid,
    options=PLAIN,
):
    """One step of the LSTM from the gates' pre-activations.

    ```
    i = sigmoid(z_i + p_i * c)      f = sigmoid(z_f + p_f * c)
    g = tanh(z_g)                   c' = norm(f * c + i * g)
    o = sigmoid(z_o + p_o * c')     h' = o * tanh(c')
    ```

    with `p` and `norm` where `options` has them.

    Args:
        z: Pre-activations of input, forget, candidate and output gate, in
            this order, shape `(batch_size, 4 * units)`.
        c: Cell state before the step, shape `(batch_size, units)`.
        activation: Function of the candidate and of the cell state.
        recurrent_activation: Function of the three gates.
        options: An `LSTMOptions`.

    Returns:
        Tuple of `h'`, `c'` and `LSTMGates`.
    """
    # i = input, f = forget, g = candidate, o = output
    i, f, g, o = ops.split(z, 4, axis=-1)
    if options.peepholes is not None:
        p_i, p_f, p_o = options.peepholes
        i, f = i + p_i * c, f + p_f * c
    i, f = recurrent_activation(i), recurrent_activation(f)
    g = activation(g)
    c = f * c + i * g
    if options.norms is not None:
        c = normalize(c, options.norms.state, options.norms.epsilon)
    if options.peepholes is not None:
        o = o + p_o * c
    o = recurrent_activation(o)
    return o * activation(c), c, LSTMGates(i, f, g, o)


def lstm_options_step(
    x,
    state,
    recurrent_kernel,
    activation=ops.tanh,
    recurrent_activation=ops.sigmoid,
    recurrent_mask=None,
    options=PLAIN,
):
    """One step of the LSTM from the projected inputs.

    Args:
        x: The input's share of the pre-activations, bias included, shape
            `(batch_size, 4 * units)`; normalised if the options say so.
        state: `[h, c]` before the step.
        recurrent_kernel: `U`, with `4 * units` columns.
        activation: As for `zoo.ops.lstm`.
        recurrent_activation: As for `zoo.ops.lstm`.
        recurrent_mask: As for `zoo.ops.lstm`.
        options: An `LSTMOptions`, with the zoneout of this step.

    Returns:
        Tuple of `h` and `c` after the step and `LSTMGates`.
    """
    h, c = state
    fed = h if recurrent_mask is None else h * recurrent_mask
    recurrent = ops.matmul(fed, recurrent_kernel)
    if options.norms is not None:
        recurrent = normalize(
            recurrent, options.norms.recurrent, options.norms.epsilon
        )
    new_h, new_c, gates = lstm_gates(
        x + recurrent, c, activation, recurrent_activation, options
    )
    if options.projection is not None:
        new_h = ops.matmul(new_h, options.projection)
    if options.zoneout is not None:
        z_h, z_c = options.zoneout
        new_h = z_h * h + (1 - z_h) * new_h
        new_c = z_c * c + (1 - z_c) * new_c
    return new_h, new_c, gates


def unroll_lstm_options(
    step, inputs, initial_state, mask, reverse, options, return_gates
):
    """Runs a step of the LSTM over whole sequences, each with its zoneout.

    Args:
        step: Callable `step(inputs_t, state, options_t)` that returns what
            `lstm_options_step` does.
        inputs: Shape `(batch_size, time, width)`.
        initial_state: `[h, c]`.
        mask: As for `zoo.ops.lstm`.
        reverse: As for `zoo.ops.lstm`.
        options: An `LSTMOptions`, with the zoneout of all steps.
        return_gates: As for `zoo.ops.lstm`.

    Returns:
        As `zoo.ops.lstm`.
    """
    # PyTorch multiplies no array by a tensor.
    options = keras.tree.map_structure(
        lambda x: ops.convert_to_tensor(x) if hasattr(x, "shape") else x,
        options,
    )
    drawn = options.zoneout
    if drawn is None or not hasattr(drawn[0], "shape"):
        drawn = ()

    def options_step(inputs_t, state):
        x_t, drawn_t = inputs_t
        zoneout = drawn_t or options.zoneout
        h, c, gates = step(x_t, state, options._replace(zoneout=zoneout))
        return (h, gates if return_gates else ()), [h, c]

    (outputs, gates), state = unroll(
        options_step,
        (inputs, drawn),
        list(initial_state),
        mask=mask,
        reverse=reverse,
    )
    return (outputs, state, gates) if return_gates else (outputs, state)


def normalize(x, norm, epsilon):
    """Layer normalisation of the last axis, in float32 or wider.

    ```
    y = gamma * (x - mean(x)) / sqrt(variance(x) + epsilon) + beta
    ```

    Args:
        x: Tensor of shape `(..., width)`.
        norm: `(gamma, beta)`, each of shape `(width,)`.
        epsilon: Added to the variance.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    gamma, beta = norm
    return ops.layer_normalization(x, gamma, beta, epsilon=epsilon)
