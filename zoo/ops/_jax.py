"""JAX: the recurrent loop as `jax.lax.scan`."""

import jax


def scan(step, inputs, state, reverse):
    """Runs `step` over time-major `inputs`; see `_tensorflow.scan`."""

    def body(state, inputs_t):
        outputs_t, state = step(inputs_t, state)
        return state, outputs_t

    state, outputs = jax.lax.scan(body, state, inputs, reverse=reverse)
    return outputs, state
