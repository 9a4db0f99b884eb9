import pathlib
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import figure as figures
from matplotlib import font_manager
from matplotlib import image as images

import zoo
from zoo import plots

SOURCE = ["我", "爱", "中", "国", "。"]
TARGET = ["I", "love", "China", "."]
WEIGHTS = np.array(
    [
        [0.90, 0.05, 0.03, 0.01, 0.01],
        [0.02, 0.90, 0.05, 0.02, 0.01],
        [0.01, 0.03, 0.45, 0.50, 0.01],
        [0.00, 0.00, 0.01, 0.02, 0.97],
    ]
)


def _labels(figure):
    axes = figure.axes[0]
    return (
        [label.get_text() for label in axes.get_xticklabels()],
        [label.get_text() for label in axes.get_yticklabels()],
    )


def test_columns_are_source_tokens_and_rows_are_target_tokens():
    figure = plots.alignments(WEIGHTS, SOURCE, TARGET, title="我爱中国")
    assert _labels(figure) == (SOURCE, TARGET)
    axes, colour_bar = figure.axes
    np.testing.assert_allclose(axes.images[0].get_array(), WEIGHTS, rtol=1e-6)
    assert axes.images[0].get_clim() == (0.0, 1.0)
    assert colour_bar.get_ylim() == (0.0, 1.0)
    assert axes.get_title() == "我爱中国"


def test_cells_of_a_small_picture_carry_their_weight():
    axes = plots.alignments(WEIGHTS, SOURCE, TARGET).axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert shown == [f"{weight:.2f}" for weight in WEIGHTS.flat]
    wide = np.full((2, 17), 1 / 17)
    axes = plots.alignments(wide, ["字"] * 17, ["a", "b"]).axes[0]
    assert not axes.texts


def test_chinese_is_drawn_with_the_font_of_the_package_on_a_bare_machine(
    monkeypatch,
):
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    axes = plots.alignments(WEIGHTS, SOURCE, TARGET).axes[0]
    for label in axes.get_xticklabels():
        file = pathlib.Path(label.get_fontproperties().get_file())
        assert file.parent == pathlib.Path(zoo.__file__).parent / "fonts"
    for label in axes.get_yticklabels():
        assert label.get_fontproperties().get_file().endswith("DejaVuSans.ttf")


def test_different_characters_give_different_pictures(tmp_path):
    # Boxes would be alike.
    pictures = []
    for character in "我爱":
        path = tmp_path / f"{character}.png"
        plots.alignments([[0.5]], [character], ["x"], path)
        pictures.append(images.imread(path))
    assert pictures[0].shape == pictures[1].shape
    assert np.abs(pictures[0] - pictures[1]).max() > 0.5


def test_what_no_font_has_is_a_box_and_a_warning_names_it(monkeypatch):
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    with pytest.warns(UserWarning, match="No font .* has 국, 한: drawn as □"):
        figure = plots.alignments([[0.4, 0.6]], ["한국", "中"], ["Korea"])
    assert _labels(figure)[0] == ["□□", "中"]


def test_odd_tokens_are_drawn_as_text(tmp_path):
    tokens = ["$x$", "$", " ", "", "\n", "a\x00b", b"\xe4\xbd\xa0", "😀", "_^"]
    weights = np.eye(len(tokens))
    path = tmp_path / "odd.png"
    figure = plots.alignments(weights, tokens, tokens, path)
    shown = ["$x$", "$", "␣", "␣", "□", "a□b", "你", "😀", "_^"]
    assert _labels(figure) == (shown, shown)
    assert path.stat().st_size > 0


def test_the_mark_of_a_space_is_not_drawn():
    figure = plots.alignments(np.eye(2), ["\u2581I", "\u2581"], ["ve", " a "])
    assert _labels(figure) == (["I", "␣"], ["ve", "a"])


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_file_is_written_whole_with_its_folders(tmp_path, suffix):
    path = tmp_path / "new" / f"我爱中国.{suffix}"
    plots.alignments(WEIGHTS, SOURCE, TARGET, path)
    assert path.stat().st_size > 1000
    assert list(path.parent.iterdir()) == [path]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    path.write_text("old")

    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(figures.Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space"):
        plots.alignments(WEIGHTS, SOURCE, TARGET, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    plots.alignments(WEIGHTS, SOURCE, TARGET)
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys, zoo; zoo.plots; print('matplotlib.pyplot' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pathlib.Path(zoo.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize(
    "weights, source, target, message",
    [
        (WEIGHTS.T, SOURCE, TARGET, r"\(4, 5\).* got shape \(5, 4\)"),
        (WEIGHTS[None], SOURCE, TARGET, "one sentence at a time"),
        (np.zeros((0, 5)), SOURCE, [], "An empty sentence has no picture"),
        (WEIGHTS * 10, SOURCE, TARGET, "between 0 and 1.*masked_softmax"),
        (WEIGHTS * np.nan, SOURCE, TARGET, "got values between nan"),
    ],
)
def test_bad_input_is_refused(weights, source, target, message):
    with pytest.raises(ValueError, match=message):
        plots.alignments(weights, source, target)


@pytest.mark.parametrize("name", ["picture", "picture.xyz"])
def test_unknown_format_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(ValueError, match="png.*Write for instance"):
        plots.alignments(WEIGHTS, SOURCE, TARGET, tmp_path / name)
    assert not list(tmp_path.iterdir())
