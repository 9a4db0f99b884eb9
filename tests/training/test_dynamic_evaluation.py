import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.data import contiguous_batches
from zoo.models import LanguageModel
from zoo.models import LanguageModelBackbone
from zoo.training import dynamic_perplexity
from zoo.training import mean_squared_gradients

VOCABULARY, UNITS = 7, 4


def draw_ids(*shape):
    return np.random.default_rng(shape).integers(0, VOCABULARY, shape)


def make_model(**kwargs):
    backbone = LanguageModelBackbone(VOCABULARY, units=UNITS, **kwargs)
    rng = np.random.default_rng(0)
    for weight in backbone.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2)
    return LanguageModel(backbone)


@pytest.fixture
def model():
    return make_model(embedding_dropout=0.5, dropout=0.5, weight_drop=0.5)


def values_of(model):
    return [weight.numpy().copy() for weight in model.trainable_weights]


def drawn_squares(model):
    rng = np.random.default_rng(1)
    return [rng.uniform(0, 2, x.shape) ** 2 for x in model.trainable_weights]


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def pieces_of(ids, num_steps):
    """The inputs and the labels of each piece, as one row."""
    for start in range(0, len(ids) - 1, num_steps):
        piece = ids[None, start : start + num_steps + 1]
        yield piece[:, :-1], piece[:, 1:]


def eager_piece(model, inputs, labels, state):
    """Losses and gradients of one piece, and the state after it."""
    with tf.GradientTape() as tape:
        hidden, state = model.backbone.read(inputs, state)
        logits = model.backbone.token_embedding(hidden, reverse=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        loss = tf.reduce_mean(losses)
    weights = [weight.value for weight in model.trainable_weights]
    gradients = [
        tf.convert_to_tensor(x).numpy() for x in tape.gradient(loss, weights)
    ]
    return losses.numpy(), gradients, state


def total(perplexity, ids):
    """The summed loss of a text from its perplexity."""
    return np.log(perplexity) * (len(ids) - 1)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_without_a_step_it_is_the_perplexity(model, batch_size):
    ids, squares = draw_ids(24), drawn_squares(model)
    expected = model.perplexity(ids, batch_size=batch_size)
    for mean_squares in (None, squares):
        given = dynamic_perplexity(
            model, ids, 0.0, 0.0, mean_squares, batch_size=batch_size
        )
        np.testing.assert_allclose(given, expected, rtol=1e-6)


@pytest.mark.parametrize("with_squares", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_every_step_follows_its_equation(model, decay, with_squares):
    ids, learning_rate, epsilon, num_steps = draw_ids(13), 0.25, 0.125, 5
    squares = drawn_squares(model) if with_squares else None
    given = dynamic_perplexity(
        model, ids, learning_rate, decay, squares, num_steps, epsilon=epsilon
    )
    originals = values_of(model)
    divisors, rates = [1.0] * len(originals), [decay] * len(originals)
    if with_squares:
        roots = [np.sqrt(x) for x in squares]
        mean = sum(x.mean() for x in roots) / len(roots)
        divisors = [x + epsilon for x in roots]
        rates = [np.minimum(decay * x / mean, 1) for x in roots]
        clipped = [np.any(decay * x / mean > 1) for x in roots]
        assert any(clipped) == (decay > 0)
    state, expected = None, []
    for inputs, labels in pieces_of(ids, num_steps):
        losses, gradients, state = eager_piece(model, inputs, labels, state)
        expected.extend(losses[0])
        for weight, g, divisor, rate, original in zip(
            model.trainable_weights,
            gradients,
            divisors,
            rates,
            originals,
            strict=True,
        ):
            w = weight.numpy()
            w = w - learning_rate * g / divisor + rate * (original - w)
            weight.assign(w)
    assert len(expected) == 12
    np.testing.assert_allclose(given, np.exp(np.mean(expected)), rtol=1e-5)


def test_bias_alone_learns_what_its_gradient_by_hand_says():
    # No other weight moves: its mean square is far too large.
    model, ids, num_steps = make_model(num_layers=1), draw_ids(17), 3
    squares = [np.full(x.shape, 1e30) for x in model.trainable_weights]
    [place] = [i for i, x in enumerate(squares) if x.shape == (VOCABULARY,)]
    squares[place] = np.arange(1.0, VOCABULARY + 1) ** 2
    given = dynamic_perplexity(
        model, ids, 2.0, 0.0, squares, num_steps, epsilon=0.5
    )
    embedding, bias, kernel, recurrent, lstm_bias = values_of(model)
    layer = keras.layers.LSTM(UNITS, return_sequences=True)
    layer.build((1, None, UNITS))
    layer.set_weights([kernel, recurrent, lstm_bias])
    hidden = np.asarray(layer(embedding[ids[None, :-1]]))[0]
    losses = []
    for start in range(0, len(hidden), num_steps):
        steps = slice(start, start + num_steps)
        labels = np.eye(VOCABULARY)[ids[1:][steps]]
        log_p = log_softmax(hidden[steps] @ embedding.T + bias)
        losses.extend(-np.sum(labels * log_p, axis=-1))
        gradient = np.mean(np.exp(log_p) - labels, axis=0)
        bias = bias - 2 * gradient / (np.arange(1, VOCABULARY + 1) + 0.5)
    np.testing.assert_allclose(given, np.exp(np.mean(losses)), rtol=1e-5)
    assert given != pytest.approx(model.perplexity(ids), rel=1e-3)


@pytest.mark.parametrize("length", [16, 18, 20])  # a piece's first, mid, last
def test_no_token_is_learnt_from_before_it_is_scored(model, length):
    # The probabilities of all tokens that could be the last must sum to one;
    # had the model learnt from it before, each would be too likely.
    prefix, squares = draw_ids(length), drawn_squares(model)

    def measure(ids):
        return total(dynamic_perplexity(model, ids, 0.5, 0.1, squares), ids)

    before = measure(prefix)
    after = [measure(np.append(prefix, i)) for i in range(VOCABULARY)]
    np.testing.assert_allclose(np.exp(before - after).sum(), 1, rtol=1e-4)
    assert np.ptp(after) > 0.1


@pytest.mark.parametrize("settings", [{}, {"mogrifier_rounds": 2}])
def test_a_pattern_that_the_model_has_not_seen_is_learnt(settings):
    keras.utils.set_random_seed(1)
    train, text = np.tile([1, 2, 3, 4], 100), np.tile([6, 3, 5, 0, 1], 40)
    model = make_model(carry_batch_size=2, **settings)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    model.fit(contiguous_batches(train, 2, 10), epochs=4, verbose=0)
    squares = mean_squared_gradients(model, train, batch_size=4)
    static = model.perplexity(text)
    for arguments in ((1.0, 1e-3), (1e-3, 1e-3, squares)):
        assert dynamic_perplexity(model, text, *arguments) < static / 4
    assert model.perplexity(text) == static


def test_mean_squares_are_those_of_the_pieces(model):
    ids, expected, state = draw_ids(12), 0, None
    for inputs, labels in pieces_of(ids, 4):
        _, gradients, state = eager_piece(model, inputs, labels, state)
        expected = expected + np.array([x**2 for x in gradients], object) / 3
    before = values_of(model)
    given = mean_squared_gradients(model, ids, num_steps=4, batch_size=1)
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-9)
    for x, y in zip(values_of(model), before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("failing", [False, True])
def test_weights_are_restored(model, failing):
    before = values_of(model)
    ids = draw_ids(20)
    arguments = model, ids, 0.5, 0.1, drawn_squares(model)
    if failing:
        ids[17] = VOCABULARY  # after three steps
        with pytest.raises(tf.errors.InvalidArgumentError):
            dynamic_perplexity(*arguments)
    else:
        dynamic_perplexity(*arguments)
    for x, y in zip(values_of(model), before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_it_is_traced_once_and_gives_the_same_again(model, monkeypatch):
    traces, original = [], model._token_losses

    def traced(*arguments):
        traces.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(model, "_token_losses", traced)
    first = dynamic_perplexity(model, draw_ids(33), 0.5)  # the last is shorter
    assert len(traces) == 1
    assert dynamic_perplexity(model, draw_ids(33), 0.5) == first


def test_what_is_not_trainable_does_not_learn():
    model = make_model()
    ids = draw_ids(30)
    learnt = dynamic_perplexity(model, ids, 0.5)
    for layer in model.backbone.lstm_layers:
        layer.trainable = False
    squares = mean_squared_gradients(model, ids, batch_size=1)
    assert [x.shape for x in squares] == [(VOCABULARY, UNITS), (VOCABULARY,)]
    frozen = dynamic_perplexity(model, ids, 0.5)
    assert frozen != pytest.approx(learnt, rel=1e-4)
    assert frozen != pytest.approx(model.perplexity(ids), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": -1}, "`learning_rate` to be .* least 0, got -1"),
        ({"learning_rate": float("nan")}, "of at least 0, got nan"),
        ({"learning_rate": float("inf")}, "of at least 0, got inf"),
        ({"learning_rate": True}, "of at least 0, got True"),
        ({"decay": 1.5}, "`decay` to be a number from 0 to 1, got 1.5"),
        ({"epsilon": 0}, "`epsilon` to be a number above 0, got 0"),
        ({"num_steps": 0}, "at least 1 for `num_steps`"),
        ({"batch_size": 0}, "at least 1 for `batch_size`"),
        ({"batch_size": 1.5}, "at least 1 for `batch_size`. Received: 1.5"),
        ({"token_ids": [3]}, "more than 1, got"),
        ({"mean_squares": [np.ones(3)]}, r"trainable weights, .*\[\(3,\)\]"),
    ],
)
def test_wrong_arguments_are_refused(model, change, message):
    arguments = {"token_ids": draw_ids(9), "learning_rate": 0.1, **change}
    with pytest.raises(ValueError, match=message):
        dynamic_perplexity(model, **arguments)
    for name in ("num_steps", "batch_size", "token_ids"):
        if name in change:
            arguments = {"token_ids": draw_ids(9), "batch_size": 1, **change}
            with pytest.raises(ValueError, match=message):
                mean_squared_gradients(model, **arguments)
