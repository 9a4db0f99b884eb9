import keras
import numpy as np
import pytest

from zoo import plots
from zoo.layers import LSTM
from zoo.ops import LSTMGates

TIME, UNITS = 4, 5
TOKENS = ["我", "爱", "中", "国"]


@pytest.fixture
def gates():
    random = np.random.default_rng(0)
    between = random.uniform(size=(3, TIME, UNITS)).astype("float32")
    candidate = random.uniform(-1, 1, (TIME, UNITS)).astype("float32")
    return LSTMGates(between[0], between[1], candidate, between[2])


def _panels(figure):
    return [axes for axes in figure.axes if axes.get_ylabel()]


def test_a_panel_per_gate_a_row_per_unit_a_column_per_step(gates):
    figure = plots.gates(gates, TOKENS, title="我爱中国")
    panels = _panels(figure)
    assert [axes.get_ylabel() for axes in panels] == list(LSTMGates._fields)
    for axes, values in zip(panels, gates, strict=True):
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array(), values.T)
        # Unit 0 is on top, and the steps are numbered from 1.
        extent = (0.5, TIME + 0.5, UNITS - 0.5, -0.5)
        assert tuple(image.get_extent()) == extent
    labels = [text.get_text() for text in panels[-1].get_xticklabels()]
    assert labels == TOKENS
    assert list(panels[-1].get_xticks()) == [1, 2, 3, 4]
    assert panels[0].get_title() == "我爱中国"


def test_gates_are_drawn_from_0_and_the_candidate_around_0(gates):
    panels = _panels(plots.gates(gates))
    limits = [axes.images[0].get_clim() for axes in panels]
    assert limits == [(0, 1), (0, 1), (-1, 1), (0, 1)]
    # An unbounded activation is drawn whole.
    (axes,) = _panels(plots.gates({"state": 3.0 * gates.candidate}))
    low, high = axes.images[0].get_clim()
    assert -low == high == pytest.approx(3 * np.abs(gates.candidate).max())


def test_unit_chooses_lines(gates):
    figure = plots.gates(gates, unit=np.array([3, 0]))
    for axes, values in zip(figure.axes, gates, strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        assert list(lines) == ["3", "0"]
        np.testing.assert_array_equal(lines["3"].get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(lines["3"].get_ydata(), values[:, 3])
        np.testing.assert_array_equal(lines["0"].get_ydata(), values[:, 0])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["3", "0"]
    (line,) = plots.gates(gates, unit=np.int64(2)).axes[1].lines
    np.testing.assert_array_equal(line.get_ydata(), gates.forget[:, 2])


def test_mean_is_one_line(gates):
    figure = plots.gates(gates, unit="mean")
    (line,) = figure.axes[1].lines
    mean = gates.forget.mean(axis=1)
    np.testing.assert_allclose(line.get_ydata(), mean, rtol=1e-6)
    assert not figure.legends


def test_gates_of_a_layer_are_drawn_as_they_come(tmp_path):
    layer = LSTM(UNITS, return_gates=True)
    _, gates = layer(np.ones((2, TIME, 3), "float32"))
    gates = keras.tree.map_structure(lambda x: x[1], gates)
    path = tmp_path / "new" / "gates.png"
    figure = plots.gates(gates, TOKENS, path=path)
    values = keras.ops.convert_to_numpy(gates.forget)
    np.testing.assert_array_equal(
        figure.axes[1].images[0].get_array(), values.T
    )
    assert path.stat().st_size > 1000
    assert list(path.parent.iterdir()) == [path]


def test_names_and_tokens_are_no_formulas_and_have_a_font(gates):
    odd = ["$x$", "", b"\xe4\xbd\xa0", "long token"]
    figure = plots.gates({"更新 $z_t$": gates.input}, odd)
    axes = figure.axes[0]
    assert axes.get_ylabel() == "更新 $z_t$"
    file = axes.yaxis.label.get_fontproperties().get_file()
    assert file.endswith("wqy-microhei-subset.ttf")
    labels = axes.get_xticklabels()
    assert [text.get_text() for text in labels] == ["$x$", "␣", "你", odd[3]]
    assert labels[3].get_rotation() == 45
    figure.draw_without_rendering()


@pytest.mark.parametrize("time, units", [(1, 1), (1, 7), (300, 2)])
def test_any_size_is_drawn(time, units):
    values = {"gate": np.full((time, units), 0.5)}
    for unit in (None, "mean", 0):
        plots.gates(values, unit=unit).draw_without_rendering()
    plots.gates(values, ["字"] * time).draw_without_rendering()


def _batch(gates):
    return LSTMGates(*(values[None] for values in gates))


@pytest.mark.parametrize(
    "change, message",
    [
        (_batch, r"\(time, units\), got .*\(1, 4, 5\).*one sequence at a"),
        (lambda g: {"a": g.input, "b": g.output[1:]}, r"one shape.*\(3, 5\)"),
        (lambda g: {"a": g.input[:, 0]}, r"got \{'a': \(4,\)\}"),
        (lambda g: {"a": g.input[:0]}, "An empty sequence has no picture"),
        (lambda g: {}, "at least one gate"),
        (lambda g: {"a": g.input * np.nan}, "20 values of 'a' that are NaN"),
    ],
)
def test_what_cannot_be_drawn_is_refused(gates, change, message):
    with pytest.raises(ValueError, match=message):
        plots.gates(change(gates))


def test_arrays_without_names_are_refused(gates):
    with pytest.raises(TypeError, match="dict from names.*got ndarray"):
        plots.gates(gates.input)


def test_other_number_of_tokens_is_refused(gates):
    with pytest.raises(ValueError, match="each of the 4 steps, got 3"):
        plots.gates(gates, TOKENS[:3])


@pytest.mark.parametrize(
    "unit, error, message",
    [
        (5, ValueError, "from 0 to 4, got 5"),
        ([0, -1], ValueError, r"got \[0, -1\]"),
        ([], ValueError, r"1 to 10 of the units.*got \[\]"),
        ([0] * 11, ValueError, "1 to 10 of the units"),
        (1.5, TypeError, "an integer or a sequence of integers, got 1.5"),
        (True, TypeError, "got True"),
        ("max", TypeError, "got 'max'"),
    ],
)
def test_unknown_unit_is_refused(gates, unit, error, message):
    with pytest.raises(error, match=message):
        plots.gates(gates, unit=unit)
