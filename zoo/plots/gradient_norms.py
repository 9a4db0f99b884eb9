"""A picture of how much gradient reaches each time step."""

import collections.abc

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from zoo.plots._labels import find_font
from zoo.plots._labels import readable
from zoo.plots._labels import warn_of_boxes
from zoo.plots._labels import write
from zoo.plots.figure_file import save_figure

_STYLES = ("-", "--", "-.", ":")


def gradient_norms(norms, labels=None, path=None, title=None):
    """Draws how much gradient reaches each time step, on a log scale.

    One line per model. A gradient that shrinks by the same factor at each
    step on its way back is a straight line: the steeper, the sooner the
    network forgets (Bengio, Simard and Frasconi, 1994, "Learning long-term
    dependencies with gradient descent is difficult",
    https://doi.org/10.1109/72.279181). `zoo.training.gradient_norms` measures
    it. A norm of zero has no place on the scale: the line has a gap.

    Args:
        norms: A float array or tensor of shape `(time,)`, the first step
            first; a list of such, which may differ in length; or a dict from
            labels to arrays.
        labels: A list of strings, one for each array, unless `norms` is a
            dict.
        path: string or path, the file to write; the name's ending (`.png`,
            `.pdf`, `.svg`) chooses the format. The folder is created, and the
            file appears complete or not at all. `None` writes nothing.
        title: string above the picture.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        TypeError: If `labels` is a string.
        ValueError: If the labels do not fit the arrays, an array has another
            shape, a norm is negative or not finite, no norm is above zero, or
            the format is unknown.

    Example:

    >>> norms = {"SimpleRNN": [1e-4, 1e-2, 1.0], "LSTM": [0.3, 0.5, 1.0]}
    >>> figure = zoo.plots.gradient_norms(norms)
    >>> figure.axes[0].get_yscale()
    'log'
    """
    lines = _lines(norms, labels)
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yscale("log")
    for i, (_, values) in enumerate(lines):
        axes.plot(
            np.arange(1, len(values) + 1),
            np.where(values > 0, values, np.nan),
            linestyle=_STYLES[i % len(_STYLES)],
            # A line of one point would not show.
            marker="." if len(values) <= 30 else None,
        )
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.set_xlabel("step")
    axes.set_ylabel("norm of the gradient")
    axes.grid(color="0.9")

    texts = [write(axes.set_title, title)]
    names = [find_font(name) for name, _ in lines if name is not None]
    if names:
        legend = axes.legend(axes.lines, [name.text for name in names])
        for label, name in zip(legend.get_texts(), names, strict=True):
            label.set(parse_math=False, fontproperties=name.properties(10.0))
    warn_of_boxes([*texts, *names])
    if path is not None:
        save_figure(figure, path)
    return figure


def _lines(norms, labels):
    """Pairs of a label (or `None`) and a checked float array."""
    if isinstance(labels, str):
        raise TypeError(
            "Expected `labels` to be a list of strings, got the string "
            f"{labels!r}. Write `labels=[{labels!r}]`."
        )
    if isinstance(norms, collections.abc.Mapping):
        if labels is not None:
            raise ValueError(
                "Expected `labels` to be None, as `norms` is a dict and its "
                f"keys are the labels, got {labels}. Rename the keys."
            )
        labels, norms = list(norms), list(norms.values())
    elif all(np.ndim(values) == 0 for values in norms):
        norms = [norms]
    arrays = [np.asarray(values).astype("float64") for values in norms]
    names = [None] * len(arrays)
    if labels is not None:
        names = [readable(label) for label in labels]
    if len(names) != len(arrays):
        raise ValueError(
            f"Expected one label for each of the {len(arrays)} arrays, got "
            f"{len(names)}: {names}."
        )
    shapes = [values.shape for values in arrays]
    if not shapes or any(len(shape) != 1 for shape in shapes):
        raise ValueError(
            "Expected each array of norms to have the shape (time,), got "
            f"{shapes}. Average over a batch first."
        )
    for name, values in zip(names, arrays, strict=True):
        if not np.all((values >= 0) & np.isfinite(values)):
            raise ValueError(
                "Expected norms that are finite and not negative, got "
                f"values from {values.min()} to {values.max()} (label "
                f"{name!r}). Pass norms, not their logarithms or the gradients."
            )
    if not any(np.any(values > 0) for values in arrays):
        raise ValueError(
            "Expected at least one norm above zero, got none: on a log scale "
            "there is nothing to draw. Does the output depend on the inputs?"
        )
    return list(zip(names, arrays, strict=True))
