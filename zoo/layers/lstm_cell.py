"""The cell of the long short-term memory."""

import keras
from keras import ops

from zoo.layers.kernels import add_kernel
from zoo.layers.projected_cell import ProjectedCell
from zoo.layers.recurrent_cell import check_epsilon
from zoo.layers.recurrent_cell import check_flags
from zoo.layers.recurrent_cell import check_fraction
from zoo.ops.lstm import lstm
from zoo.ops.lstm_options import LSTMNorms
from zoo.ops.lstm_options import LSTMOptions
from zoo.ops.lstm_options import lstm_options_step
from zoo.ops.lstm_options import normalize


@keras.saving.register_keras_serializable(package="zoo")
class LSTMCell(ProjectedCell):
    """One step of a long short-term memory.

    ```
    f_t = sigmoid(x_t W_f + h_{t-1} U_f + b_f)        forget gate
    i_t = sigmoid(x_t W_i + h_{t-1} U_i + b_i)        input gate
    g_t = tanh(x_t W_c + h_{t-1} U_c + b_c)           candidate
    o_t = sigmoid(x_t W_o + h_{t-1} U_o + b_o)        output gate
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    ```

    Hochreiter & Schmidhuber, "Long Short-Term Memory" (1997), with the forget
    gate of Gers, Schmidhuber & Cummins, "Learning to Forget" (2000). The
    kernels hold the blocks in the order i, f, c, o, so that weights can be
    exchanged with `keras.layers.LSTM`.

    Options, which can be combined:

    - `peephole`: the gates see the cell state. `p_i * c_{t-1}`,
      `p_f * c_{t-1}` and, of the new state, `p_o * c_t` are added inside the
      sigmoids. Gers & Schmidhuber, "Recurrent Nets that Time and Count"
      (2000).
    - `layer_normalization`: `norm(x_t W) + norm(h_{t-1} U) + b` enters the
      gates, each norm over the `4 * units` values together, and
      `norm(f_t * c_{t-1} + i_t * g_t)` is `c_t`. Ba, Kiros & Hinton, "Layer
      Normalization" (2016), https://arxiv.org/abs/1607.06450, Eqs. 20-22,
      except that, as in TensorFlow Addons, the normalised `c_t` is also what
      is carried.
    - `projection`: `h_t = (o_t * tanh(c_t)) P`, narrower than `c_t`. Sak,
      Senior & Beaufays, "Long Short-Term Memory Based Recurrent Neural
      Network Architectures for Large Vocabulary Speech Recognition" (2014),
      https://arxiv.org/abs/1402.1128, Eq. 12.
    - `zoneout_h`, `zoneout_c`: units of a state keep, at random and anew at
      every step, the value they had; at inference `z * h_{t-1} +
      (1 - z) * h_t`, the expectation. Krueger et al., "Zoneout: Regularizing
      RNNs by Randomly Preserving Hidden Activations" (2017),
      https://arxiv.org/abs/1606.01305, section 3. `c_t` enters `h_t` before
      its own zoneout.
    - `weight_drop`: entries of `U` are dropped in training, the same ones in
      all rows and all steps of a sequence, the others scaled up. Merity,
      Keskar & Socher, "Regularizing and Optimizing LSTM Language Models"
      (2018), https://arxiv.org/abs/1708.02182, section 2.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        activation: Function of candidate and cell state, tanh by default.
        recurrent_activation: Function of the gates, sigmoid by default.
        unit_forget_bias: Whether the bias of the forget gate starts at 1, so
            that a new cell remembers.
        peephole: Whether the gates see the cell state; adds the weights
            `peephole_i`, `peephole_f` and `peephole_o`, `(units,)` each.
        layer_normalization: Whether to normalise; adds `gamma` and `beta` of
            `kernel_norm`, `recurrent_norm` and `state_norm`.
        norm_epsilon: Added to the variances, a positive number.
        projection: Width of the output, or `None` for `units`; adds
            `projection_kernel`, `(units, projection)`.
        zoneout_h: Fraction of the output to keep, from 0 to below 1.
        zoneout_c: Fraction of the cell state to keep, from 0 to below 1.
        weight_drop: Fraction of the recurrent kernel to drop, from 0 to
            below 1.
        **kwargs: Further arguments of `zoo.layers.RecurrentCell`. Peepholes
            and projection start as `kernel_initializer` says.

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
        ValueError: If `units` or `projection` is no positive integer, a
            fraction lies outside [0, 1), `norm_epsilon` is not positive,
            `seed` no integer, or a flag neither true nor false.

    Example:

    >>> import numpy as np
    >>> cell = LSTMCell(4)
    >>> state = cell.get_initial_state(batch_size=2)
    >>> output, (h, c) = cell(np.ones((2, 3), "float32"), state)
    >>> tuple(output.shape), tuple(c.shape)
    ((2, 4), (2, 4))
    >>> LSTMCell(4, projection=2, peephole=True).state_size
    [2, 4]
    """

    gates = 4

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        unit_forget_bias=True,
        peephole=False,
        layer_normalization=False,
        norm_epsilon=1e-3,
        projection=None,
        zoneout_h=0.0,
        zoneout_c=0.0,
        weight_drop=0.0,
        **kwargs,
    ):
        check_flags(
            unit_forget_bias=unit_forget_bias,
            peephole=peephole,
            layer_normalization=layer_normalization,
        )
        check_epsilon(norm_epsilon)
        check_fraction("zoneout_h", zoneout_h)
        check_fraction("zoneout_c", zoneout_c)
        check_fraction("weight_drop", weight_drop)
        super().__init__(
            units, projection=projection, activation=activation, **kwargs
        )
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.peephole = peephole
        self.layer_normalization = layer_normalization
        self.norm_epsilon = norm_epsilon
        self.zoneout_h = zoneout_h
        self.zoneout_c = zoneout_c
        self.weight_drop = weight_drop

    def initial_bias(self, shape, dtype=None):
        bias = super().initial_bias(shape, dtype=dtype)
        if not self.unit_forget_bias:
            return bias
        i, _, g, o = ops.split(bias, 4)
        ones = ops.ones((self.units,), dtype=bias.dtype)
        return ops.concatenate([i, ones, g, o])

    def build(self, input_shape):
        super().build(input_shape)
        if self.peephole:
            self.peephole_i, self.peephole_f, self.peephole_o = (
                add_kernel(self, f"peephole_{gate}", (self.units,))
                for gate in "ifo"
            )
        if self.layer_normalization:
            gates = 4 * self.units
            self.kernel_norm = self._add_norm("kernel_norm", gates)
            self.recurrent_norm = self._add_norm("recurrent_norm", gates)
            self.state_norm = self._add_norm("state_norm", self.units)
        self.add_projection()

    def _add_norm(self, name, width):
        return [
            self.add_weight(
                shape=(width,), name=f"{name}_{part}", initializer=start
            )
            for part, start in (("gamma", "ones"), ("beta", "zeros"))
        ]

    def dropout_masks(self, batch_size, features, training=False):
        """Draws the dropout masks of one sequence.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.
            features: Width of the inputs.
            training: If false, nothing is dropped.

        Returns:
            Tuple of factors, on the inputs, `(batch_size, features)`, on the
            recurrent output, `(batch_size, output_size)`, and with
            `weight_drop` on the recurrent kernel, of its shape; `None` where
            nothing is dropped. To be given to each step of the sequence.
        """
        masks = super().dropout_masks(batch_size, features, training)
        if not self.weight_drop:
            return masks
        shape = (self.output_size, self.gates * self.units)
        mask = self._draw_mask(shape, self.weight_drop) if training else None
        return (*masks, mask)

    def call(self, inputs, states, training=False, masks=None):
        batch_size = ops.shape(inputs)[0]
        if masks is None:
            masks = self.dropout_masks(batch_size, inputs.shape[-1], training)
        options = self._options((batch_size,), training)
        h, c, _ = self._step(inputs, states, masks, options)
        return h, [h, c]

    def _step(self, inputs, states, masks, options):
        """One step with what was drawn for it; `h`, `c` and the gates."""
        input_mask, recurrent_mask, *kernel_mask = masks
        if input_mask is not None:
            inputs = inputs * input_mask
        x = ops.matmul(inputs, self.kernel)
        if options.norms is not None:
            x = normalize(x, options.norms.kernel, options.norms.epsilon)
        if self.bias is not None:
            x = x + self.bias
        return lstm_options_step(
            x,
            states,
            self._recurrent_kernel(*kernel_mask),
            self.activation,
            self.recurrent_activation,
            recurrent_mask,
            options,
        )

    def unroll(
        self,
        inputs,
        initial_state,
        mask=None,
        reverse=False,
        training=False,
        return_gates=False,
    ):
        """Runs the cell over whole sequences.

        Args:
            inputs: Shape `(batch_size, time, features)`.
            initial_state: `[h, c]`.
            mask: Boolean, `(batch_size, time)`, true at real steps.
            reverse: If true, runs from the last step to the first.
            training: Whether dropout is on.
            return_gates: If true, the gates are returned too.

        Returns:
            Tuple of the outputs, `(batch_size, time, output_size)`, in the
            order of the inputs and zero at masked steps, the last state, and
            with `return_gates` a `zoo.ops.LSTMGates` over time.
        """
        inputs = ops.convert_to_tensor(inputs)
        batch_size, time = ops.shape(inputs)[:2]
        input_mask, recurrent_mask, *kernel_mask = self.dropout_masks(
            batch_size, inputs.shape[-1], training
        )
        if input_mask is not None:
            inputs = inputs * input_mask[:, None]
        return lstm(
            inputs,
            initial_state,
            ops.convert_to_tensor(self.kernel),
            self._recurrent_kernel(*kernel_mask),
            None if self.bias is None else ops.convert_to_tensor(self.bias),
            mask=mask,
            reverse=reverse,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            recurrent_mask=recurrent_mask,
            options=self._options((batch_size, time), training),
            return_gates=return_gates,
        )

    def _recurrent_kernel(self, mask=None):
        kernel = ops.convert_to_tensor(self.recurrent_kernel)
        return kernel if mask is None else kernel * mask

    def _options(self, leading_shape, training):
        """The weights beyond the plain LSTM's, and the zoneout."""
        peepholes = norms = projection = None
        if self.peephole:
            peepholes = _tensors(
                [self.peephole_i, self.peephole_f, self.peephole_o]
            )
        if self.layer_normalization:
            norms = LSTMNorms(
                _tensors(self.kernel_norm),
                _tensors(self.recurrent_norm),
                _tensors(self.state_norm),
                self.norm_epsilon,
            )
        if self.projection_kernel is not None:
            projection = ops.convert_to_tensor(self.projection_kernel)
        zoneout = self._zoneout(leading_shape, training)
        return LSTMOptions(peepholes, norms, projection, zoneout)

    def _zoneout(self, leading_shape, training):
        rates = self.zoneout_h, self.zoneout_c
        if not any(rates):
            return None
        if not training:
            return rates
        return tuple(
            ops.cast(
                keras.random.uniform(
                    (*leading_shape, width),
                    dtype="float32",
                    seed=self.seed_generator,
                )
                < rate,
                self.compute_dtype,
            )
            for rate, width in zip(rates, self.state_size, strict=True)
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            recurrent_activation=keras.activations.serialize(
                self.recurrent_activation
            ),
            unit_forget_bias=self.unit_forget_bias,
            peephole=self.peephole,
            layer_normalization=self.layer_normalization,
            norm_epsilon=self.norm_epsilon,
            zoneout_h=self.zoneout_h,
            zoneout_c=self.zoneout_c,
            weight_drop=self.weight_drop,
        )
        return config


def _tensors(weights):
    return tuple(ops.convert_to_tensor(weight) for weight in weights)
