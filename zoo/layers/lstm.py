"""The long short-term memory as a layer."""

import keras
from keras import ops

from zoo.layers.lstm_cell import LSTMCell
from zoo.layers.recurrent_cell import check_flags
from zoo.layers.rnn import CellLayer
from zoo.layers.rnn import sequence_mask
from zoo.ops.lstm_options import LSTMGates


@keras.saving.register_keras_serializable(package="zoo")
class LSTM(CellLayer):
    """Long short-term memory over sequences.

    ```
    c_t = f_t * c_{t-1} + i_t * g_t        h_t = o_t * tanh(c_t)
    ```

    with the gates and the options of `zoo.layers.LSTMCell`. Without options,
    arguments and results are those of `keras.layers.LSTM`, and weights can be
    exchanged with it, except that outputs are zero at masked steps.
    `zoo.ops.lstm_path` says which implementation runs.

    Args:
        units: Width of the cell state, and of the output without
            `projection`.
        return_sequences: If true, the outputs of all steps are returned.
        return_state: If true, the last state is returned too.
        go_backwards: If true, runs from the last step to the first and
            returns the outputs in that order.
        stateful: If true, a call goes on from the state of the last one.
        return_gates: If true, the gates of all steps are returned too, to
            look at them: which inputs were let in, how long they were kept.
        **kwargs: Arguments of `zoo.layers.LSTMCell` (activation,
            recurrent_activation, use_bias, unit_forget_bias, peephole,
            layer_normalization, norm_epsilon, projection, zoneout_h,
            zoneout_c, weight_drop, initializers, regularizers, constraints,
            dropout, recurrent_dropout, seed) and of `keras.layers.Layer`.

    Call arguments:
        sequences: Shape `(batch_size, time, features)`.
        initial_state: `[h, c]`, of shape `(batch_size, projection or units)`
            and `(batch_size, units)`.
        mask: Boolean, shape `(batch_size, time)`, true at real steps.
        training: Whether dropout is on.

    Returns:
        Outputs, `(batch_size, time, units)` if `return_sequences`, else
        `(batch_size, units)`; with `return_state` a tuple `(outputs, h, c)`.
        Of a `projection`, that is the outputs' width. With `return_gates` a
        `zoo.ops.LSTMGates` is the last of the tuple: `input`, `forget`,
        `candidate` and `output`, each `(batch_size, time, units)`, in the
        order of the outputs and zero at masked steps.

    Raises:
        ValueError: As `zoo.layers.LSTMCell` and `zoo.layers.RNN`.

    Example:

    >>> import numpy as np
    >>> layer = LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(outputs.shape), tuple(h.shape)
    ((2, 5, 4), (2, 4))
    >>> h, gates = LSTM(4, return_gates=True)(np.ones((2, 5, 3), "float32"))
    >>> tuple(gates.forget.shape)
    (2, 5, 4)
    """

    cell_class = LSTMCell

    def __init__(
        self,
        units,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        return_gates=False,
        **kwargs,
    ):
        check_flags(return_gates=return_gates)
        super().__init__(
            units,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            **kwargs,
        )
        self.return_gates = return_gates

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if not self.return_gates:
            return super().call(sequences, initial_state, mask, training)
        mask = sequence_mask(sequences, mask)
        outputs, state, gates = self.cell.unroll(
            ops.cast(sequences, self.compute_dtype),
            self._start_state(sequences, initial_state),
            mask=mask,
            reverse=self.go_backwards,
            training=training,
            return_gates=True,
        )
        results = self._results(outputs, state, mask)
        results = results if self.return_state else (results,)
        return (*results, self._in_order_taken(gates))

    def compute_mask(self, sequences, mask=None):
        masks = super().compute_mask(sequences, mask)
        if not self.return_gates:
            return masks
        masks = masks if self.return_state else (masks,)
        mask = sequence_mask(sequences, mask)
        if mask is not None:
            mask = self._in_order_taken(mask)
        return (*masks, LSTMGates(mask, mask, mask, mask))

    def get_config(self):
        return {**super().get_config(), "return_gates": self.return_gates}
