"""The cell of an LSTM whose input and output gate each other."""

import keras
from keras import ops

from zoo.layers.kernels import add_kernel
from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.recurrent_cell import check_positive_integer
from zoo.ops.lstm_options import unroll_lstm_options


@keras.saving.register_keras_serializable(package="zoo")
class MogrifierLSTMCell(LSTMCell):
    """One step of an LSTM whose input and output gate each other before it.

    ```
    x^{-1} = x_t         h^0 = h_{t-1}
    x^i = 2 sigmoid(h^{i-1} Q^i) * x^{i-2}         i = 1, 3, .. up to rounds
    h^i = 2 sigmoid(x^{i-1} R^i) * h^{i-2}         i = 2, 4, .. up to rounds
    h_t, c_t = lstm(x, h, c_{t-1})
    ```

    with the last `x^i` and the last `h^i` as the x and h that enter the
    kernels of a `zoo.layers.LSTMCell`, and the options of that cell. The 2
    lets new kernels, small as they are, gate by about one. Without rounds it
    is that cell. With a `rank`, each `Q^i` and each `R^i` is a product of two
    narrow kernels. Melis, Kočiský & Blunsom, "Mogrifier LSTM" (2020),
    https://arxiv.org/abs/1909.01792, section 2, where vectors are columns:
    what it calls Q and R is transposed here. As there, gates have no biases.

    What dropout takes from `x_t` and `h_{t-1}` is taken before the first
    round. A zoneout keeps `h_{t-1}` as it was, not as it was gated.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        rounds: Number of gates, 0 or more; the input's turn is first.
        rank: Width between the two factors of each `Q^i` and `R^i`, or
            `None` for kernels in one piece. It saves weights below
            `m n / (m + n)`, where input and output are m and n wide.
        **kwargs: Further arguments of `zoo.layers.LSTMCell`. The gates'
            kernels start as `kernel_initializer` says.

    Call arguments:
        inputs: `x_t`, shape `(batch_size, features)`.
        states: `[h_{t-1}, c_{t-1}]`, of shape `(batch_size, projection or
            units)` and `(batch_size, units)`.
        training: Whether dropout is on.
        masks: What `dropout_masks` drew for this sequence; by default every
            step draws its own.

    Returns:
        Tuple `(h_t, [h_t, c_t])`, in the shapes of the states.

    Raises:
        ValueError: If `rounds` is no integer of at least 0, `rank` no
            positive integer, and as `zoo.layers.LSTMCell`.

    Example:

    >>> import numpy as np
    >>> cell = MogrifierLSTMCell(4, rounds=2, rank=1)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, (h, c) = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape), tuple(c.shape)
    ((2, 4), (2, 4))
    >>> [(x.name, tuple(x.shape)) for x in cell.weights[3:5]]
    [('gate_kernel_1_left', (4, 1)), ('gate_kernel_1_right', (1, 3))]
    """

    def __init__(self, units, rounds=5, rank=None, **kwargs):
        check_rounds("rounds", rounds)
        check_rank("rank", rank)
        super().__init__(units, **kwargs)
        self.rounds = rounds
        self.rank = rank

    def build(self, input_shape):
        super().build(input_shape)
        # Q^1, R^2, Q^3, ..., each as a list of its factors
        widths = self.output_size, input_shape[-1]
        self.gate_kernels = []
        for i in range(1, self.rounds + 1):
            name = f"gate_kernel_{i}"
            rows, columns = widths if i % 2 else widths[::-1]
            shapes = {name: (rows, columns)}
            if self.rank is not None:
                shapes = {
                    f"{name}_left": (rows, self.rank),
                    f"{name}_right": (self.rank, columns),
                }
            self.gate_kernels.append(
                [add_kernel(self, *kernel) for kernel in shapes.items()]
            )

    def _step(self, inputs, states, masks, options):
        input_mask, factor, *kernel_mask = masks
        x = inputs if input_mask is None else inputs * input_mask
        # h = factor * h_{t-1}: a zoneout still has to see h_{t-1}
        h = states[0] if factor is None else states[0] * factor
        for i, kernels in enumerate(self.gate_kernels, start=1):
            if i % 2:
                x = _gate(h, kernels) * x
            else:
                gate = _gate(x, kernels)
                h = gate * h
                factor = gate if factor is None else gate * factor
        return super()._step(x, states, (None, factor, *kernel_mask), options)

    def unroll(
        self,
        inputs,
        initial_state,
        mask=None,
        reverse=False,
        training=False,
        return_gates=False,
    ):
        if not self.rounds:
            return super().unroll(
                inputs, initial_state, mask, reverse, training, return_gates
            )
        # x depends on h, so that no product can be taken before the loop
        inputs = ops.convert_to_tensor(inputs)
        batch_size, time = ops.shape(inputs)[:2]
        masks = self.dropout_masks(batch_size, inputs.shape[-1], training)

        def step(inputs_t, state, options_t):
            return self._step(inputs_t, state, masks, options_t)

        return unroll_lstm_options(
            step,
            inputs,
            initial_state,
            mask,
            reverse,
            self._options((batch_size, time), training),
            return_gates,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "rounds": self.rounds,
            "rank": self.rank,
        }


def _gate(x, kernels):
    """`2 sigmoid(x K)`, K the product of some kernels."""
    for kernel in kernels:
        x = ops.matmul(x, kernel)
    return 2 * ops.sigmoid(x)


def check_rounds(name, value):
    """Raises `ValueError` unless a number of rounds is one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(
            f"Expected `{name}` to be an integer of at least 0, got "
            f"{value!r}. It is how often input and output gate each other; 0 "
            "makes a plain LSTM."
        )


def check_rank(name, value):
    """Raises `ValueError` unless a rank is a positive integer or `None`."""
    if value is not None:
        check_positive_integer(
            name, value, "Leave it out for gates with kernels in one piece."
        )
