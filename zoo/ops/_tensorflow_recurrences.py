"""TensorFlow: the steps whose gradients are derived by hand."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Recurrence(NamedTuple):
    """A step and its gradient, as `_tensorflow_bptt.bptt` runs them.

    States and whatever is kept are of shape `(batch_size, units)`.

    Attributes:
        step: `step(x, fed, state, weights) -> (new_state, kept)`. `fed` is
            the first state `h_{t-1}`, after dropout, as it enters products;
            `kept` is a list of tensors for the way back.
        factors: `factors(kept, previous, fed, hs) -> factors`, for all steps
            at once, time first: what `step_back` multiplies gradients by.
            `previous` is `h_{t-1}` and `hs` is `h_t`. Zero factors stop all
            gradients.
        step_back: `step_back(d_state, factors, transposed) -> (d_products,
            d_fed, d_state)`. It gets the gradient of the new state and the
            weights transposed. `d_products` is a list of gradients of the
            products with weights, `d_fed` of `fed`, and the gradient of the
            old state leaves out what goes by way of `fed`: `None` for an
            `h_{t-1}` that enters nothing else.
        finish: `finish(d_products, fed, kept) -> (d_x, d_weights)`, for all
            steps at once, time first.
        kept: Number of tensors in `kept`.
        widths: Of each tensor in `d_products` the width, in units.
    """

    step: Callable
    factors: Callable
    step_back: Callable
    finish: Callable
    kept: int
    widths: tuple


def _simple_rnn_step(x, fed, state, weights):
    (kernel,) = weights
    return [tf.tanh(x + tf.matmul(fed, kernel))], []


def _simple_rnn_factors(kept, previous, fed, hs):
    return [1 - hs * hs]


def _simple_rnn_back(d_state, factors, transposed):
    (d_h,) = d_state
    d_z = d_h * factors[0]
    return [d_z], tf.matmul(d_z, transposed[0]), [None]


def _lstm_step(x, fed, state, weights):
    _, c = state
    (kernel,) = weights
    i, f, g, o = tf.split(x + tf.matmul(fed, kernel), 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    new_c = f * c + i * g
    tanh_c = tf.tanh(new_c)
    return [o * tanh_c, new_c], [i, f, g, o, c, tanh_c]


def _lstm_factors(kept, previous, fed, hs):
    i, f, g, o, c, tanh_c = kept
    through_gates = tf.concat(
        [
            _through_sigmoid(i, g),
            _through_sigmoid(f, c),
            _through_tanh(g, i),
            _through_sigmoid(o, tanh_c),
        ],
        axis=-1,
    )
    return [through_gates, _through_tanh(tanh_c, o), f]


def _lstm_back(d_state, factors, transposed):
    d_h, d_c = d_state
    through_gates, through_tanh, f = factors
    d_c = d_c + d_h * through_tanh
    d_z = through_gates * tf.concat([d_c, d_c, d_c, d_h], axis=-1)
    return [d_z], tf.matmul(d_z, transposed[0]), [None, d_c * f]


def _finish_one_product(d_products, fed, kept):
    (d_z,) = d_products
    return d_z, [_gradient_of_kernel(fed, d_z)]


def _gru_reset_after_step(x, fed, state, weights):
    (h,) = state
    kernel, bias_g = weights
    x_z, x_r, x_g = tf.split(x, 3, axis=-1)
    h_z, h_r, h_g = tf.split(tf.matmul(fed, kernel), 3, axis=-1)
    z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
    h_g = h_g + bias_g
    g = tf.tanh(x_g + r * h_g)
    return [z * h + (1 - z) * g], [z, r, g, h_g]


def _gru_reset_after_factors(kept, previous, fed, hs):
    z, r, g, h_g = kept
    through_g = _through_tanh(g, 1 - z)
    through_recurrent = tf.concat(
        [
            _through_sigmoid(z, previous - g),
            _through_sigmoid(r, through_g * h_g),
            through_g * r,
        ],
        axis=-1,
    )
    return [through_recurrent, through_g, z]


def _gru_reset_after_back(d_state, factors, transposed):
    (d_h,) = d_state
    through_recurrent, through_g, z = factors
    d_recurrent = through_recurrent * tf.concat([d_h, d_h, d_h], axis=-1)
    d_fed = tf.matmul(d_recurrent, transposed[0])
    return [d_recurrent, d_h * through_g], d_fed, [d_h * z]


def _finish_gru_reset_after(d_products, fed, kept):
    d_recurrent, d_g = d_products
    units = fed.shape[-1]
    d_gates, d_h_g = tf.split(d_recurrent, [2 * units, units], axis=-1)
    d_weights = [
        _gradient_of_kernel(fed, d_recurrent),
        tf.reduce_sum(d_h_g, axis=[0, 1]),
    ]
    return tf.concat([d_gates, d_g], axis=-1), d_weights


def _gru_reset_before_step(x, fed, state, weights):
    (h,) = state
    gates_kernel, kernel = weights
    x_z, x_r, x_g = tf.split(x, 3, axis=-1)
    h_z, h_r = tf.split(tf.matmul(fed, gates_kernel), 2, axis=-1)
    z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
    g = tf.tanh(x_g + tf.matmul(r * fed, kernel))
    return [z * h + (1 - z) * g], [z, r, g]


def _gru_reset_before_factors(kept, previous, fed, hs):
    z, r, g = kept
    return [
        _through_tanh(g, 1 - z),
        _through_sigmoid(z, previous - g),
        _through_sigmoid(r, fed),
        r,
        z,
    ]


def _gru_reset_before_back(d_state, factors, transposed):
    (d_h,) = d_state
    through_g, through_z, through_r, r, z = factors
    d_g = d_h * through_g
    d_reset = tf.matmul(d_g, transposed[1])
    d_gates = tf.concat([d_h * through_z, d_reset * through_r], axis=-1)
    d_fed = tf.matmul(d_gates, transposed[0]) + d_reset * r
    return [d_gates, d_g], d_fed, [d_h * z]


def _finish_gru_reset_before(d_products, fed, kept):
    d_gates, d_g = d_products
    _, r, _ = kept
    d_weights = [
        _gradient_of_kernel(fed, d_gates),
        _gradient_of_kernel(r * fed, d_g),
    ]
    return tf.concat([d_gates, d_g], axis=-1), d_weights


def _gradient_of_kernel(x, d_y):
    """`x^T d_y` over all rows of all steps, in one product."""
    return tf.matmul(
        tf.reshape(x, (-1, x.shape[-1])),
        tf.reshape(d_y, (-1, d_y.shape[-1])),
        transpose_a=True,
    )


def _through_sigmoid(y, d_y):
    return tf.raw_ops.SigmoidGrad(y=y, dy=d_y)


def _through_tanh(y, d_y):
    return tf.raw_ops.TanhGrad(y=y, dy=d_y)


RECURRENCES = {
    "simple_rnn": Recurrence(
        _simple_rnn_step,
        _simple_rnn_factors,
        _simple_rnn_back,
        _finish_one_product,
        kept=0,
        widths=(1,),
    ),
    "lstm": Recurrence(
        _lstm_step,
        _lstm_factors,
        _lstm_back,
        _finish_one_product,
        kept=6,
        widths=(4,),
    ),
    "gru_reset_after": Recurrence(
        _gru_reset_after_step,
        _gru_reset_after_factors,
        _gru_reset_after_back,
        _finish_gru_reset_after,
        kept=4,
        widths=(3, 1),
    ),
    "gru_reset_before": Recurrence(
        _gru_reset_before_step,
        _gru_reset_before_factors,
        _gru_reset_before_back,
        _finish_gru_reset_before,
        kept=3,
        widths=(2, 1),
    ),
}
