"""The one recurrent loop that every layer and decoder of the zoo runs on."""

import keras
from keras import ops

from zoo.ops.attention import project
from zoo.ops.attention import zero_padding
from zoo.ops.backend import load_backend


def unroll(
    step,
    inputs,
    initial_state,
    mask=None,
    constants=None,
    reverse=False,
):
    """Runs a step function over the time axis.

    ```
    outputs_t, state_t = step(inputs_t, state_{t-1})        t = 1 .. time
    ```

    Where `mask` is false the step has no effect: the state is carried over
    and the outputs are zero, for any pattern of masked steps. A row without a
    single real step returns its initial state. What the inputs hold at masked
    steps is replaced by zeros, so that it reaches no gradient either.

    Args:
        step: Callable `step(inputs, state)`, or
            `step(inputs, state, constants)` if `constants` is given, which
            returns `(outputs, new_state)`. It is traced, so it must consist
            of tensor operations. `new_state` must have the structure, shapes
            and dtypes of `state`; `outputs` may be any nest of tensors with
            the batch axis first.
        inputs: Nest of tensors of shape `(batch_size, time, ...)`, any dtype.
        initial_state: Nest of tensors, batch axis first, any rank.
        mask: Boolean tensor of shape `(batch_size, time)`, true at real
            steps. `None` means that all steps are real.
        constants: Nest of tensors handed unchanged to every step.
        reverse: If true, the steps are taken from the last to the first.

    Returns:
        Tuple `(outputs, final_state)`. `outputs` is a nest of tensors of shape
        `(batch_size, time, ...)` in the order of the inputs, also when
        `reverse=True`; `final_state` has the structure of `initial_state`.

    Raises:
        ValueError: If `inputs` holds no tensor, a tensor of rank below 2, or
            no time step at all, or if tensors and `mask` differ in batch size
            or time.

    Example:

    >>> import numpy as np
    >>> from zoo.ops import unroll
    >>> def running_sum(x, total):
    ...     return total + x, total + x
    >>> x = np.array([[1.0, 2.0, 3.0]], "float32")
    >>> outputs, total = unroll(running_sum, x, np.zeros(1, "float32"))
    >>> np.asarray(outputs).tolist(), float(total[0])
    ([[1.0, 3.0, 6.0]], 6.0)
    """
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    state = keras.tree.map_structure(ops.convert_to_tensor, initial_state)
    mask = check_sequences(inputs, mask)
    inputs = keras.tree.map_structure(lambda x: zero_padding(x, mask), inputs)

    def masked_step(packed, state):
        inputs_t, mask_t = packed
        if constants is None:
            outputs_t, new_state = step(inputs_t, state)
        else:
            outputs_t, new_state = step(inputs_t, state, constants)
        keras.tree.assert_same_structure(state, new_state)
        if not mask_t:
            return outputs_t, new_state
        real = mask_t[0]
        outputs_t = keras.tree.map_structure(
            lambda x: where_rows(real, x, ops.zeros_like(x)), outputs_t
        )
        new_state = keras.tree.map_structure(
            lambda new, old: where_rows(real, new, old), new_state, state
        )
        return outputs_t, new_state

    packed = (inputs, [] if mask is None else [mask])
    packed = keras.tree.map_structure(swap_batch_and_time, packed)
    outputs, state = load_backend().scan(masked_step, packed, state, reverse)
    return keras.tree.map_structure(swap_batch_and_time, outputs), state


def where_rows(rows, x, y):
    """Selects whole batch rows: `x` where `rows` is true, else `y`.

    Args:
        rows: Boolean tensor of shape `(batch_size,)`.
        x: Tensor of shape `(batch_size, ...)`.
        y: Tensor of the shape of `x`.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    rank = len(x.shape)
    return ops.where(ops.reshape(rows, (-1,) + (1,) * (rank - 1)), x, y)


def swap_batch_and_time(x):
    """Exchanges the first two axes of a tensor of rank 2 or more."""
    return ops.transpose(x, (1, 0) + tuple(range(2, len(x.shape))))


def check_sequences(inputs, mask):
    """Raises `ValueError` unless `inputs` and `mask` fit a recurrent loop.

    Args:
        inputs: Nest of tensors of shape `(batch_size, time, ...)`.
        mask: What was given as a mask, or `None`.

    Returns:
        The mask as a boolean tensor, or `None`.
    """
    flat = keras.tree.flatten(inputs)
    if not flat:
        raise ValueError(
            "Expected `inputs` to hold at least one tensor of shape "
            f"(batch_size, time, ...), got {inputs}. Give a loop without "
            "inputs something to count its steps by, such as "
            "`ops.zeros((batch_size, time, 0))`."
        )
    for x in flat:
        if len(x.shape) < 2 or x.shape[1] == 0:
            raise ValueError(
                "Expected sequences of shape (batch_size, time, ...) with at "
                f"least one time step, got shape {tuple(x.shape)}."
            )
    if mask is not None:
        mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        if len(mask.shape) != 2:
            raise ValueError(
                "Expected a boolean `mask` of shape (batch_size, time), true "
                f"at real steps, got shape {tuple(mask.shape)}. For lengths "
                "use `ops.arange(time) < lengths[:, None]`."
            )
    shapes = [tuple(x.shape[:2]) for x in [*flat, mask] if x is not None]
    for sizes in zip(*shapes, strict=True):
        if len(set(sizes) - {None}) > 1:
            raise ValueError(
                "Expected all inputs, and the `mask`, to have one batch size "
                f"and one time, got (batch_size, time) = {shapes}. Pad the "
                "sequences to one length."
            )
    return mask


def project_sequences(inputs, kernel, bias=None, mask=None):
    """A cell's products with its kernel, for all steps before the loop.

    ```
    z_t = x_t W + b
    ```

    Args:
        inputs: `x`, shape `(batch_size, time, features)`.
        kernel: `W`, shape `(features, width)`.
        bias: `b`, shape `(width,)`, or `None`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps, or
            `None`.

    Returns:
        Tuple of `z`, shape `(batch_size, time, width)`, and the mask as a
        boolean tensor or `None`.

    Raises:
        ValueError: If `inputs` is not of rank 3, or `mask` does not fit it.
    """
    inputs, mask = _sequences(inputs, mask)
    z = project(inputs, kernel)
    return (z if bias is None else z + bias), mask


def unroll_by_hand(
    recurrence,
    inputs,
    initial_state,
    kernel,
    bias,
    weights,
    mask=None,
    recurrent_mask=None,
    reverse=False,
):
    """Runs a recurrence whose gradient TensorFlow need not derive.

    Args:
        recurrence: Name of one in `zoo.ops._tensorflow_recurrences`.
        inputs: `x`, shape `(batch_size, time, features)`.
        initial_state: List of tensors, `(batch_size, units)`, the first of
            which is the output.
        kernel: Multiplies the inputs of all steps before the loop.
        bias: Added to that product, or `None`.
        weights: List of what else the recurrence multiplies or adds.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        recurrent_mask: Factor on the output where it enters a product.
        reverse: If true, runs from the last step to the first.

    Returns:
        Tuple `(outputs, state)`: outputs of shape `(batch_size, time, units)`
        in the order of the inputs, zero at masked steps, and the last state.

    Raises:
        ValueError: If `inputs` is not of rank 3, or `mask` does not fit it.
    """
    inputs, mask = _sequences(inputs, mask)
    # time first already here, where there are fewer columns than after it
    z = project(swap_batch_and_time(inputs), kernel)
    outputs, state = load_backend().bptt(
        recurrence,
        z if bias is None else z + bias,
        [ops.convert_to_tensor(x) for x in initial_state],
        weights,
        None if mask is None else swap_batch_and_time(mask[..., None]),
        recurrent_mask,
        reverse,
    )
    return zero_padding(swap_batch_and_time(outputs), mask), state


def _sequences(inputs, mask):
    """Inputs as a tensor of rank 3, padding replaced by zeros, and a mask."""
    inputs = ops.convert_to_tensor(inputs)
    if len(inputs.shape) != 3:
        raise ValueError(
            "Expected `inputs` of shape (batch_size, time, features), got "
            f"shape {tuple(inputs.shape)}. Reshape them."
        )
    mask = check_sequences(inputs, mask)
    # so that not even inf or nan in the padding reaches a gradient
    return zero_padding(inputs, mask), mask
