"""TensorFlow: the recurrent loop and the LSTM with a hand-derived gradient."""

import keras
import tensorflow as tf


def scan(step, inputs, state, reverse):
    """Runs `step` over time-major `inputs` in a `tf.while_loop`.

    Args:
        step: Callable `step(inputs_t, state) -> (outputs_t, state)`.
        inputs: Nest of tensors of shape `(time, batch_size, ...)`.
        state: Nest of tensors.
        reverse: If true, runs from the last step to the first.

    Returns:
        Tuple of the outputs, a nest of `(time, batch_size, ...)` in the order
        of the inputs, and the last state.
    """
    flat_inputs = keras.tree.flatten(inputs)
    flat_state = keras.tree.flatten(state)
    time = _time(flat_inputs[0])
    step_inputs = keras.tree.map_structure(lambda x: x[0], inputs)
    output_specs = _output_specs(step, step_inputs, state)
    sources = [_array_of(x, time) for x in flat_inputs]
    targets = [
        _array(time, spec.dtype, spec.shape)
        for spec in keras.tree.flatten(output_specs)
    ]

    def body(count, flat_state, targets):
        t = time - 1 - count if reverse else count
        outputs_t, new_state = step(
            keras.tree.pack_sequence_as(inputs, [x.read(t) for x in sources]),
            keras.tree.pack_sequence_as(state, flat_state),
        )
        targets = [
            array.write(t, x)
            for array, x in zip(
                targets, keras.tree.flatten(outputs_t), strict=True
            )
        ]
        return count + 1, keras.tree.flatten(new_state), targets

    _, flat_state, targets = _loop(time, body, [flat_state, targets])
    outputs = keras.tree.pack_sequence_as(
        output_specs, [array.stack() for array in targets]
    )
    return outputs, keras.tree.pack_sequence_as(state, flat_state)


def gradient(function, x):
    """Gradient of a scalar function, by the backend's differentiation.

    Args:
        function: Callable `function(x)` that returns a scalar tensor.
        x: Float tensor.

    Returns:
        Tensor of the shape and dtype of `x`, or `None` where nothing depends
        on it.
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


def lstm_bptt(z, h, c, recurrent_kernel, mask, recurrent_mask, reverse):
    """LSTM with tanh and sigmoid, and backpropagation through time by hand.

    The forward loop keeps the gates' pre-activations. The backward pass turns
    them, for all steps at once, into the factors by which the gradient of the
    state is multiplied; its loop then holds one product with the recurrent
    kernel, transposed once beforehand. The gradient of that kernel is a
    single product over all steps after the loop.

    Args:
        z: Projected inputs, `(time, batch_size, 4 * units)`, in the order
            input, forget, candidate, output gate; bias included.
        h: Initial output state, `(batch_size, units)`.
        c: Initial cell state, `(batch_size, units)`.
        recurrent_kernel: `(units, 4 * units)`.
        mask: Boolean `(time, batch_size, 1)`, or `None`.
        recurrent_mask: Factor on `h` wherever it meets the recurrent kernel,
            `(batch_size, units)`, or `None`: recurrent dropout.
        reverse: If true, runs from the last step to the first.

    Returns:
        The states `h` of all steps, `(time, batch_size, units)`, masked steps
        repeating the state before them, and the last `h` and `c`.
    """
    units = recurrent_kernel.shape[0]
    time = _time(z)

    def index(count):
        return time - 1 - count if reverse else count

    @tf.custom_gradient
    def run(z, h0, c0, recurrent_kernel):
        inputs = _array_of(z, time)
        rows = None if mask is None else _array_of(mask, time)

        def forward(count, h, c, hs, cs, zs):
            t = index(count)
            fed = h if recurrent_mask is None else h * recurrent_mask
            z_t = inputs.read(t) + tf.matmul(fed, recurrent_kernel)
            i, f, g, o = tf.split(z_t, 4, axis=-1)
            new_c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            new_h = tf.sigmoid(o) * tf.tanh(new_c)
            if rows is not None:
                real = rows.read(t)
                new_c = tf.where(real, new_c, c)
                new_h = tf.where(real, new_h, h)
            hs = hs.write(t, new_h)
            cs = cs.write(t, new_c)
            zs = zs.write(t, z_t)
            return count + 1, new_h, new_c, hs, cs, zs

        shapes = (h0.shape, c0.shape, z.shape[1:])
        arrays = [_array(time, z.dtype, shape) for shape in shapes]
        _, h, c, hs, cs, zs = _loop(time, forward, [h0, c0, *arrays])
        hs, cs, zs = hs.stack(), cs.stack(), zs.stack()

        def backward(d_hs, d_h, d_c):
            previous_h = _previous(h0, hs, reverse)
            if recurrent_mask is not None:
                previous_h = previous_h * recurrent_mask
            through_gates, through_tanh, forget = _gradient_factors(
                zs, cs, _previous(c0, cs, reverse), mask
            )
            transposed = tf.transpose(recurrent_kernel)
            factors = _array_of(through_gates, time)
            tanhs = _array_of(through_tanh, time)
            forgets = _array_of(forget, time)
            # not the array of the forward pass: a SavedModel that keeps its
            # gradients can hold on to tensors only
            reals = None if mask is None else _array_of(mask, time)
            d_outputs = _array_of(d_hs, time)

            def step_back(count, d_h, d_c, d_zs):
                t = index(time - 1 - count)
                d_h = d_h + d_outputs.read(t)
                d_c = d_c + d_h * tanhs.read(t)
                d_z = factors.read(t) * tf.concat([d_c, d_c, d_c, d_h], -1)
                d_fed = tf.matmul(d_z, transposed)
                if recurrent_mask is not None:
                    d_fed = d_fed * recurrent_mask
                if reals is not None:
                    d_fed = tf.where(reals.read(t), d_fed, d_h)
                d_zs = d_zs.write(t, d_z)
                return count + 1, d_fed, d_c * forgets.read(t), d_zs

            d_zs = _array(time, z.dtype, z.shape[1:])
            _, d_h, d_c, d_zs = _loop(time, step_back, [d_h, d_c, d_zs])
            d_z = d_zs.stack()
            d_kernel = tf.matmul(
                tf.reshape(previous_h, (-1, units)),
                tf.reshape(d_z, (-1, 4 * units)),
                transpose_a=True,
            )
            return d_z, d_h, d_c, d_kernel

        return (hs, h, c), backward

    return run(z, h, c, tf.convert_to_tensor(recurrent_kernel))


def _gradient_factors(z, c, previous_c, mask):
    """What the state's gradient is multiplied by, for all steps at once."""
    i, f, g, o = tf.split(z, 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    tanh_c = tf.tanh(c)
    through_gates = tf.concat(
        [
            g * i * (1 - i),
            previous_c * f * (1 - f),
            i * (1 - g * g),
            tanh_c * o * (1 - o),
        ],
        axis=-1,
    )
    through_tanh = o * (1 - tanh_c * tanh_c)
    if mask is not None:
        through_gates = tf.where(mask, through_gates, 0)
        through_tanh = tf.where(mask, through_tanh, 0)
        f = tf.where(mask, f, 1)
    return through_gates, through_tanh, f


def _previous(initial, states, reverse):
    """The state before each step: `states` moved by one step."""
    if reverse:
        return tf.concat([states[1:], initial[None]], axis=0)
    return tf.concat([initial[None], states[:-1]], axis=0)


def _output_specs(step, inputs, state):
    """Structure, shapes and dtypes of a step's outputs, without running it."""

    def spec(x):
        return tf.TensorSpec(x.shape, x.dtype)

    flat = [spec(x) for x in keras.tree.flatten((inputs, state))]

    def outputs_of(*flat):
        return step(*keras.tree.pack_sequence_as((inputs, state), flat))[0]

    traced = tf.function(outputs_of, autograph=False)
    traced = traced.get_concrete_function(*flat).structured_outputs
    return keras.tree.map_structure(spec, traced)


def _time(x):
    """Size of the first axis, an integer where it is known.

    Known, it becomes part of the shape of what the loop puts out.
    """
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def _array(size, dtype, element_shape):
    """An empty array to be written once a step."""
    return tf.TensorArray(
        dtype, size, element_shape=element_shape, clear_after_read=False
    )


def _array_of(x, size):
    """A time-major tensor as an array to be read once a step."""
    return _array(size, x.dtype, x.shape[1:]).unstack(x)


def _loop(time, body, variables):
    """`body(count, *variables)` for `count` from 0 to `time - 1`."""
    return tf.while_loop(
        lambda count, *_: count < time,
        body,
        (tf.constant(0), *variables),
        maximum_iterations=time,
    )
