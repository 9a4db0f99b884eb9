import matplotlib
import numpy as np
import pytest

from zoo import plots

FALLING = 0.5 ** np.arange(6, -1, -1)
SLOWLY = 0.9 ** np.arange(6, -1, -1)


def _drawn(figure):
    axes = figure.axes[0]
    legend = axes.get_legend()
    names = legend and [text.get_text() for text in legend.get_texts()]
    return names, [line.get_ydata() for line in axes.lines]


@pytest.mark.parametrize(
    "arguments",
    [
        {"norms": {"SimpleRNN": FALLING, "LSTM": SLOWLY}},
        {"norms": [FALLING, SLOWLY], "labels": ["SimpleRNN", "LSTM"]},
        {"norms": np.stack([FALLING, SLOWLY]), "labels": ("SimpleRNN", "LSTM")},
    ],
    ids=["dict", "list", "array"],
)
def test_a_line_per_model_on_a_log_scale(arguments):
    figure = plots.gradient_norms(**arguments, title="梯度")
    names, lines = _drawn(figure)
    assert names == ["SimpleRNN", "LSTM"]
    np.testing.assert_array_equal(lines, [FALLING, SLOWLY])
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(1, 8))
    assert axes.get_yscale() == "log"
    assert axes.get_title() == "梯度"
    # Readable without colours too.
    assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()


def test_one_array_needs_no_label():
    for norms in (FALLING, FALLING.tolist()):
        names, (line,) = _drawn(plots.gradient_norms(norms))
        assert names is None
        np.testing.assert_array_equal(line, FALLING)
    names, _ = _drawn(plots.gradient_norms(FALLING, ["RNN"]))
    assert names == ["RNN"]


def test_lines_may_differ_in_length():
    _, lines = _drawn(plots.gradient_norms({"a": FALLING, "b": SLOWLY[:3]}))
    assert [len(line) for line in lines] == [7, 3]


def test_zero_is_a_gap():
    _, (line,) = _drawn(plots.gradient_norms([0.0, 0.5, 0.0, 1.0]))
    np.testing.assert_array_equal(line, [np.nan, 0.5, np.nan, 1.0])


def test_label_is_no_formula_and_has_a_font():
    names, _ = _drawn(plots.gradient_norms({"门 $f$": FALLING}))
    assert names == ["门 $f$"]


def test_file_is_written_and_nothing_global_changes(tmp_path):
    before = dict(matplotlib.rcParams)
    path = tmp_path / "new" / "norms.svg"
    plots.gradient_norms(FALLING, path=path)
    assert path.stat().st_size > 1000
    assert list(path.parent.iterdir()) == [path]
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "norms, labels, error, message",
    [
        ({"a": FALLING}, ["b"], ValueError, "to be None, as `norms` is a dict"),
        ([FALLING, SLOWLY], ["a"], ValueError, "each of the 2 arrays, got 1"),
        (FALLING, "RNN", TypeError, r"Write `labels=\['RNN'\]`"),
        (FALLING[None, None], None, ValueError, r"got \[\(1, 7\)\].*Average"),
        ([], None, ValueError, "at least one norm above zero"),
        ({}, None, ValueError, r"shape \(time,\), got \[\]"),
        (-FALLING, None, ValueError, "not negative.*logarithms"),
        ({"a": FALLING * np.nan}, None, ValueError, r"label 'a'"),
        (0 * FALLING, None, ValueError, "at least one norm above zero"),
    ],
)
def test_what_cannot_be_drawn_is_refused(norms, labels, error, message):
    with pytest.raises(error, match=message):
        plots.gradient_norms(norms, labels)
