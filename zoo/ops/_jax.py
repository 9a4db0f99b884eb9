"""JAX: the recurrent loop as `jax.lax.scan`."""

import jax
import keras


def scan(step, inputs, state, reverse):
    """Runs `step` over time-major `inputs`; see `_tensorflow.scan`.

    JAX knows nothing of variables that a step assigns, such as the state of a
    seed generator: they are carried from step to step beside `state`.
    """
    variables = _assigned_variables(step, inputs, state)

    def body(carried, inputs_t):
        state, values = carried
        scope = _StepScope(zip(variables, values, strict=True))
        with scope:
            outputs_t, state = step(inputs_t, state)
        values = [scope.get_current_value(x) for x in variables]
        return (state, values), outputs_t

    carried = state, [x.value for x in variables]
    (state, values), outputs = jax.lax.scan(
        body, carried, inputs, reverse=reverse
    )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return outputs, state


def gradient(function, x):
    """Gradient of a scalar function; see `_tensorflow.gradient`.

    Where nothing depends on `x` it is zero, which JAX does not tell apart.
    """
    return jax.grad(function)(x)


def _assigned_variables(step, inputs, state):
    """The variables that a step assigns, without running it."""
    scope = _StepScope(())

    def trace(inputs, state):
        with scope:
            return step(keras.tree.map_structure(lambda x: x[0], inputs), state)

    jax.eval_shape(trace, inputs, state)
    return list(scope.assigned.values())


class _StepScope(keras.StatelessScope):
    """Keeps what a step assigns, and knows the values of the scope around."""

    def __init__(self, values):
        super().__init__(values)
        self.assigned = {}

    def __enter__(self):
        super().__enter__()
        if self.original_scope is not None:
            around = self.original_scope.state_mapping
            self.state_mapping = {**around, **self.state_mapping}
        return self

    def add_update(self, update):
        super().add_update(update)
        variable, _ = update
        self.assigned[id(variable)] = variable
