"""The recipe N -> 1, on the shipped sentences."""

import csv
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from recipes import classify
from zoo.data import DataError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = dataclasses.replace(classify.PRESETS["smoke"], folder=str(folder))
    return classify.main(config), folder / config.name


def test_a_smoke_run_beats_one_answer_for_all(run):
    figures, folder = run
    with open(folder / "history.csv", encoding="utf-8") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] / 1.5
    accuracy = float(figures["**accuracy on test, last epoch**"])
    assert accuracy > float(figures["accuracy of one answer for all"]) + 0.02


def test_the_exported_model_tells_questions(run):
    _, folder = run
    model = tf.saved_model.load(str(folder / "model" / "1"))
    texts = ["你喜欢音乐吗", "你喜歡音樂嗎", "我喜欢音乐", ""]
    found = model.signatures["serving_default"](text=tf.constant(texts))
    probabilities = found["probability"].numpy()
    assert probabilities[0] > 0.5 > probabilities[2]
    # traditional characters are read as simplified ones
    assert probabilities[1] == pytest.approx(probabilities[0], abs=1e-5)


def test_questions_have_lost_their_marks():
    _, parts = classify.load_questions()
    for texts, labels in parts:
        assert not any(text.endswith(("？", "?", "。")) for text in texts)
        assert len(texts) == len(labels)
        assert 0.1 < labels.mean() < 0.2
    train, test = parts
    assert not set(train[0]) & set(test[0])


def test_the_last_tokens_are_read():
    tokenizer, *_ = classify.load_data(
        dataclasses.replace(classify.PRESETS["smoke"], texts=50)
    )
    ids = classify.read(tokenizer, ["我是", "我是我是他", ""], 3).numpy()
    last = tokenizer.tokenize("我是他").numpy()
    assert ids[1].tolist() == last.tolist()
    assert ids[0, 2] == 0 and ids[0, 1] == last[1]
    assert not ids[2].any()


def test_the_books_network_has_its_size():
    model = classify.build_network(classify.PRESETS["book"], 20_000)
    lstm = 4 * (128 + 128 + 1) * 128
    assert model.count_params() == 20_000 * 128 + lstm + 129


def test_the_linear_classifier_sees_no_order():
    model = classify.build_bag(9)
    model.set_weights([np.arange(9.0)[:, None], np.zeros(1)])
    found = model(np.array([[3, 1, 0, 0], [1, 3, 3, 0]])).numpy()[:, 0]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-4.0)), rtol=1e-5)


def test_reviews_come_from_tensorflow_datasets(tmp_path):
    with tfds.testing.mock_data(num_examples=30):
        config = dataclasses.replace(classify.PRESETS["book"], texts=20)
        tokenizer, train, test = classify.load_data(config)
    assert len(train[0]) == 20 and len(test[0]) == 30
    assert isinstance(train[0][0], str) and set(train[1]) <= {0, 1}
    assert tokenizer.vocabulary_size() > 4


def test_an_unknown_task_is_an_error(tmp_path):
    with pytest.raises(DataError, match="questions or reviews, got 'spam'"):
        classify.main(
            dataclasses.replace(
                classify.QUESTIONS, task="spam", folder=str(tmp_path)
            )
        )
