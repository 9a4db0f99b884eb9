"""A picture of which source token each target token looked at."""

import numpy as np
from matplotlib.figure import Figure

from zoo.plots._labels import name_ticks
from zoo.plots._labels import readable
from zoo.plots._labels import warn_of_boxes
from zoo.plots._labels import write
from zoo.plots.figure_file import save_figure

_CELL = 0.55  # inches
_ANNOTATED = 16  # rows or columns: beyond, figures in the cells are too small


def alignments(alignments, source_tokens, target_tokens, path=None, title=None):
    """Draws which source token each target token looked at.

    A row is a target token, a column a source token, the colour the weight
    between 0 and 1, as in figure 3 of Bahdanau, Cho and Bengio, 2015, "Neural
    machine translation by jointly learning to align and translate",
    https://arxiv.org/abs/1409.0473. Up to 16 x 16 cells carry their weight in
    figures. Chinese is readable on a machine without a Chinese font: one
    comes with the package (`zoo/fonts`). Nothing global of matplotlib is
    changed and no window is opened.

    Args:
        alignments: float array or tensor, shape
            `(target_length, source_length)`: weights between 0 and 1.
        source_tokens: strings (or UTF-8 bytes), one per column.
        target_tokens: strings (or UTF-8 bytes), one per row.
        path: string or path, the file to write; the name's ending (`.png`,
            `.pdf`, `.svg`) chooses the format. The folder is created, and the
            file appears complete or not at all. `None` writes nothing.
        title: string above the picture.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If shape and tokens disagree, a weight is not between 0
            and 1, there is nothing to draw, or the format is unknown.

    Example:

    >>> figure = zoo.plots.alignments(
    ...     [[0.9, 0.1], [0.2, 0.8]], ["你", "好"], ["hello", "!"]
    ... )
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['你', '好']
    """
    source_tokens = [readable(token) for token in source_tokens]
    target_tokens = [readable(token) for token in target_tokens]
    weights = _weights(alignments, source_tokens, target_tokens)

    rows, columns = weights.shape
    cell = min(_CELL, 40 / max(rows, columns))  # 40 inches at most
    figure = Figure(
        figsize=(cell * columns + 2.4, cell * rows + 1.6),
        layout="constrained",
    )
    axes = figure.add_subplot()
    image = axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, shrink=0.8, label="weight")

    size = min(13.0, 24 * cell)  # points
    axes.xaxis.tick_top()
    texts = [
        *name_ticks(axes.xaxis, range(columns), source_tokens, size),
        *name_ticks(axes.yaxis, range(rows), target_tokens, size),
        write(axes.set_title, title),
    ]
    warn_of_boxes(texts)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(0.5, columns - 1), minor=True)
    axes.set_yticks(np.arange(0.5, rows - 1), minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="white", linewidth=1.5)

    if max(rows, columns) <= _ANNOTATED:
        for (row, column), weight in np.ndenumerate(weights):
            axes.text(
                column,
                row,
                f"{weight:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if weight > 0.5 else "black",
            )
    if path is not None:
        save_figure(figure, path)
    return figure


def _weights(alignments, source_tokens, target_tokens):
    """The weights as a checked float array."""
    weights = np.asarray(alignments).astype("float32")
    shape = (len(target_tokens), len(source_tokens))
    if weights.shape != shape:
        raise ValueError(
            "Expected alignments of shape (target_length, source_length) = "
            f"{shape}, one row per target token and one column per source "
            f"token, got shape {weights.shape}. A batch is drawn one sentence "
            "at a time."
        )
    if not weights.size:
        raise ValueError(
            "Expected at least one source and one target token, got "
            f"source_tokens={source_tokens}, target_tokens={target_tokens}. "
            "An empty sentence has no picture."
        )
    # Half precision leaves a little above one.
    if not np.all((weights >= -0.01) & (weights <= 1.01)):
        raise ValueError(
            "Expected alignments between 0 and 1, got values between "
            f"{weights.min()} and {weights.max()}. Were scores passed instead "
            "of alignments? Apply zoo.ops.masked_softmax to them."
        )
    return np.clip(weights, 0.0, 1.0)
