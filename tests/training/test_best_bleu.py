"""The callback that keeps the model with the best dev BLEU."""

import pytest
import sacrebleu

from zoo.training import BestBleu

REFERENCES = ["He is waiting for you.", "I love China very much."]


class Model:
    """Stands in for a model: its translations and weights are scripted."""

    def __init__(self, translations):
        self.translations = translations
        self.epoch = 0
        self.stop_training = False

    def translate(self, sources, beam_width):
        assert beam_width == 2
        return self.translations[self.epoch]

    def save_weights(self, path):
        assert path.endswith(".weights.h5")
        with open(path, "w") as file:
            file.write(str(self.epoch))


def run(tmp_path, translations, **kwargs):
    model = Model(translations)
    callback = BestBleu(
        ["a", "b"],
        REFERENCES,
        tmp_path / "best.weights.h5",
        beam_width=2,
        **kwargs,
    )
    callback.set_model(model)
    scores = []
    for model.epoch in range(len(translations)):
        logs = {}
        callback.on_epoch_end(model.epoch, logs)
        scores.append(logs["dev_bleu"])
        if model.stop_training:
            break
    return callback, scores


WORSE = ["He is waiting for me.", "I love it."]


def test_the_best_epoch_is_kept(tmp_path):
    callback, scores = run(tmp_path, [WORSE, REFERENCES, WORSE])
    expected = sacrebleu.corpus_bleu(WORSE, [REFERENCES]).score
    assert scores == pytest.approx([expected, 100, expected])
    assert callback.best_epoch == 2
    assert (tmp_path / "best.weights.h5").read_text() == "1"
    assert [x.name for x in tmp_path.iterdir()] == ["best.weights.h5"]


def test_training_stops_when_patience_is_over(tmp_path):
    _, scores = run(tmp_path, [REFERENCES] + [WORSE] * 5, patience=2)
    assert len(scores) == 3


def test_without_patience_training_goes_on(tmp_path):
    _, scores = run(tmp_path, [REFERENCES] + [WORSE] * 5)
    assert len(scores) == 6


def test_a_broken_epoch_is_never_the_best(tmp_path):
    model = Model([REFERENCES])
    callback = BestBleu(
        ["a", "b"], REFERENCES, tmp_path / "best.weights.h5", beam_width=2
    )
    callback.set_model(model)
    logs = {"loss": float("nan")}
    callback.on_epoch_end(0, logs)
    assert logs["dev_bleu"] == 0
    assert not list(tmp_path.iterdir())


def test_early_epochs_are_not_translated(tmp_path):
    _, scores = run(tmp_path, [None, None, REFERENCES], start_epoch=3)
    assert scores == pytest.approx([0, 0, 100])


@pytest.mark.parametrize("sources", [[], ["a"]])
def test_sentences_must_have_references(sources, tmp_path):
    with pytest.raises(ValueError, match=f"got {len(sources)} and 2"):
        BestBleu(sources, REFERENCES, tmp_path / "best.weights.h5")


def test_chinese_is_compared_by_characters(tmp_path):
    references = ["他在等你，我知道。", "我爱中国的书。"]
    close = ["他在等我，我知道。", "我爱中国的书。"]
    model = Model([close])
    scores = []
    for tokenize in ("zh", "13a"):
        callback = BestBleu(
            ["a", "b"],
            references,
            tmp_path / "best.weights.h5",
            beam_width=2,
            tokenize=tokenize,
        )
        callback.set_model(model)
        logs = {}
        callback.on_epoch_end(0, logs)
        scores.append(logs["dev_bleu"])
    expected = sacrebleu.corpus_bleu(close, [references], tokenize="zh")
    assert scores[0] == pytest.approx(expected.score)
    assert scores[0] > scores[1] + 20
