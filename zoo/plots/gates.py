"""A picture of what the gates of a network let through."""

import collections.abc

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from zoo.plots._labels import name_ticks
from zoo.plots._labels import readable
from zoo.plots._labels import warn_of_boxes
from zoo.plots._labels import write
from zoo.plots.figure_file import save_figure

_STEP = 0.5  # inches
_LINES = 10  # lines of one panel that colours still tell apart


def gates(gates, tokens=None, unit=None, path=None, title=None):
    """Draws the gates of a recurrent network over time, one panel per gate.

    A column is a time step. Values from 0 to 1 go from white to dark blue;
    a panel with negative values, such as the candidate of an LSTM, goes from
    dark blue over white to dark red. At a masked step a layer's gates are
    zero.

    Args:
        gates: The gates of one sequence, each a float array or tensor of
            shape `(time, units)`: a `zoo.ops.LSTMGates`, another named tuple,
            or a dict from names to arrays. Sequence `i` of a batch is
            `keras.tree.map_structure(lambda x: x[i], gates)`.
        tokens: strings (or UTF-8 bytes), one per step. By default the steps
            are numbered from 1.
        unit: Which units are drawn. `None`: all, one per row of an image.
            `"mean"`: one line, the mean of all units. An integer or a
            sequence of up to 10 integers, counted from 0: a line for each of
            these units.
        path: string or path, the file to write; the name's ending (`.png`,
            `.pdf`, `.svg`) chooses the format. The folder is created, and the
            file appears complete or not at all. `None` writes nothing.
        title: string above the picture.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        TypeError: If `gates` is neither a named tuple nor a dict, or `unit`
            is not one of those above.
        ValueError: If the shapes, the number of tokens or `unit` do not fit,
            a value is not finite, there is nothing to draw, or the format is
            unknown.

    Example:

    >>> layer = zoo.layers.LSTM(5, return_gates=True)
    >>> _, gates = layer(np.ones((1, 4, 3), "float32"))
    >>> figure = zoo.plots.gates(
    ...     keras.tree.map_structure(lambda x: x[0], gates), "我爱中国"
    ... )
    >>> [axes.get_ylabel() for axes in figure.axes[:4]]
    ['input', 'forget', 'candidate', 'output']
    """
    panels = _panels(gates)
    time, units = next(iter(panels.values())).shape
    if tokens is not None:
        tokens = [readable(token) for token in tokens]
        if len(tokens) != time:
            raise ValueError(
                f"Expected one token for each of the {time} steps, got "
                f"{len(tokens)}: {tokens}. Give the tokens that the network "
                "read, special ones and padding included, or cut the gates."
            )
    lines = _lines(unit, units)

    step = min(_STEP, 40 / time)  # 40 inches at most
    figure = Figure(
        figsize=(max(step * time, 4.0) + 2.0, 1.5 * len(panels) + 0.8),
        layout="constrained",
    )
    rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    texts = [write(rows[0].set_title, title)]
    for axes, (name, values) in zip(rows, panels.items(), strict=True):
        if lines is None:
            figure.colorbar(_draw_image(axes, values), ax=axes)
        else:
            _draw_lines(axes, values, lines)
        texts.append(write(axes.set_ylabel, name, 11.0))
    if lines is not None and "mean" not in lines:
        figure.legend(
            handles=list(rows[0].lines),
            title="unit",
            loc="outside right center",
        )

    rows[-1].set_xlim(0.5, time + 0.5)
    if tokens is None:
        rows[-1].xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        rows[-1].set_xlabel("step")
    else:
        steps = range(1, time + 1)
        size = min(13.0, 24 * step)  # points
        texts += name_ticks(rows[-1].xaxis, steps, tokens, size)
    warn_of_boxes(texts)
    if path is not None:
        save_figure(figure, path)
    return figure


def _panels(gates):
    """The gates as checked float arrays, by name."""
    if hasattr(gates, "_asdict"):
        gates = gates._asdict()
    if not isinstance(gates, collections.abc.Mapping):
        raise TypeError(
            "Expected `gates` to be a named tuple or a dict from names to "
            f"arrays, got {type(gates).__name__}. `zoo.layers.LSTM` returns "
            "its gates with `return_gates=True`; give other arrays names: "
            '`{"update": array}`.'
        )
    panels = {
        str(name): np.asarray(x).astype("float32") for name, x in gates.items()
    }
    shapes = {name: x.shape for name, x in panels.items()}
    if len(set(shapes.values())) > 1 or any(
        len(shape) != 2 for shape in shapes.values()
    ):
        raise ValueError(
            "Expected all gates to have one shape (time, units), got "
            f"{shapes}. A batch is drawn one sequence at a time: pass "
            "`keras.tree.map_structure(lambda x: x[0], gates)`."
        )
    if not panels or 0 in next(iter(shapes.values())):
        raise ValueError(
            "Expected at least one gate, step and unit, got shapes "
            f"{shapes}. An empty sequence has no picture."
        )
    for name, x in panels.items():
        if not np.all(np.isfinite(x)):
            raise ValueError(
                f"Expected finite gates, got {np.sum(~np.isfinite(x))} values "
                f"of {name!r} that are NaN or infinite. Look for where the "
                "training went out of range, or check what was passed."
            )
    return panels


def _lines(unit, units):
    """What is drawn as lines: label -> units to average; `None`: an image."""
    if unit is None:
        return None
    if isinstance(unit, str) and unit == "mean":
        return {"mean": list(range(units))}
    listed = [unit] if np.ndim(unit) == 0 else list(unit)
    if not all(_is_integer(x) for x in listed):
        raise TypeError(
            'Expected `unit` to be None, "mean", an integer or a sequence of '
            f"integers, got {unit!r}."
        )
    if not 0 < len(listed) <= _LINES or not all(0 <= x < units for x in listed):
        raise ValueError(
            f"Expected `unit` to name 1 to {_LINES} of the units from 0 to "
            f"{units - 1}, got {unit!r}. `None` draws all units as an image."
        )
    return {str(x): [x] for x in listed}


def _is_integer(x):
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _limits(values):
    """Smallest and largest value of a panel's scale."""
    largest = max(1.0, float(np.abs(values).max()))
    return (-largest if values.min() < 0 else 0.0), largest


def _draw_image(axes, values):
    time, units = values.shape
    low, high = _limits(values)
    image = axes.imshow(
        values.T,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, time + 0.5, units - 0.5, -0.5),
        cmap="RdBu_r" if low < 0 else "Blues",
        vmin=low,
        vmax=high,
    )
    axes.yaxis.set_major_locator(ticker.MaxNLocator(4, integer=True))
    return image


def _draw_lines(axes, values, lines):
    low, high = _limits(values)
    steps = np.arange(1, len(values) + 1)
    for label, units in lines.items():
        mean = values[:, units].mean(axis=1)
        axes.plot(steps, mean, marker=".", label=label)
    margin = 0.05 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.grid(color="0.9")
