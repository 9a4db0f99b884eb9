"""Pictures of what a network looked at."""

import functools
import os
import pathlib
import typing
import unicodedata
import uuid
import warnings

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib import ft2font
from matplotlib.figure import Figure

_CELL = 0.55  # inches
_ANNOTATED = 16  # rows or columns: beyond, figures in the cells are too small
_MISSING = "□"
_SPACE = "␣"


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
    source_tokens = [_text(token) for token in source_tokens]
    target_tokens = [_text(token) for token in target_tokens]
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

    # One font per text; what no font has is a box.
    columns_of = [_find_font(token) for token in source_tokens]
    rows_of = [_find_font(token) for token in target_tokens]
    size = min(13.0, 24 * cell)  # points
    axes.xaxis.tick_top()
    axes.set_xticks(range(columns), [found.text for found in columns_of])
    axes.set_yticks(range(rows), [found.text for found in rows_of])
    for label, found in zip(axes.get_xticklabels(), columns_of, strict=True):
        label.set(parse_math=False, fontproperties=found.properties(size))
        if len(found.text) > 3:
            label.set(rotation=45, ha="left", rotation_mode="anchor")
    for label, found in zip(axes.get_yticklabels(), rows_of, strict=True):
        label.set(parse_math=False, fontproperties=found.properties(size))
    heading = _find_font(_text(title or ""))
    axes.set_title(
        heading.text if title else "",
        parse_math=False,
        fontproperties=heading.properties(13.0),
    )
    _warn_of_boxes([*columns_of, *rows_of, heading])
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
        _save(figure, path)
    return figure


def check_format(path):
    """Returns the format that a file's name chooses.

    Args:
        path: string or path.

    Raises:
        ValueError: If matplotlib writes no such format.

    Example:

    >>> check_format("picture.PNG")
    'png'
    """
    path = pathlib.Path(path)
    formats = sorted(Figure().canvas.get_supported_filetypes())
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in formats:
        raise ValueError(
            "Expected a file name whose ending is one of "
            f"{', '.join(formats)}, got {str(path)!r}. Write for instance "
            f"{path.name + '.png'!r}."
        )
    return suffix


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


def _text(token):
    """A token as it can be shown: spaces around a word dropped.

    Controls, and tokens that are nothing but space, are made visible.
    """
    if isinstance(token, bytes):
        token = token.decode("utf-8", errors="replace")
    token = "".join(
        _MISSING
        if unicodedata.category(character) in ("Cc", "Cs")
        else character
        for character in str(token)
    )
    # the tokenizers' mark of a space before a word
    token = token.replace("\u2581", " ")
    return token.strip() or _SPACE * max(len(token), 1)


class _Found(typing.NamedTuple):
    """A text as it is drawn, the font's file, what no font has."""

    text: str
    file: str
    missing: frozenset

    def properties(self, size):
        # By file: by name, a font would have to join matplotlib's own list.
        return font_manager.FontProperties(fname=self.file, size=size)


def _find_font(text):
    """Finds the first font that has all characters of a text.

    If there is none, the one that has most of them, with a box for the rest.
    """
    wanted = {character for character in text if not character.isspace()}
    best, best_missing = None, wanted
    for file in _font_files():
        missing = {c for c in wanted if ord(c) not in _characters(file)}
        if best is None or len(missing) < len(best_missing):
            best, best_missing = file, missing
        if not missing:
            break
    text = "".join(_MISSING if c in best_missing else c for c in text)
    return _Found(text, best, frozenset(best_missing) - {_MISSING})


def _warn_of_boxes(found):
    missing = frozenset().union(*(text.missing for text in found))
    if missing:
        warnings.warn(
            f"No font on this machine has {', '.join(sorted(missing))}: drawn "
            f"as {_MISSING}. Install one that does, for instance Noto (Debian "
            "and Ubuntu: apt-get install fonts-noto).",
            stacklevel=3,
        )


def _font_files():
    """matplotlib's own font, the package's, then what the machine has."""
    yield os.path.join(
        matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"
    )
    yield str(
        pathlib.Path(__file__).parent / "fonts" / "wqy-microhei-subset.ttf"
    )
    entries = font_manager.fontManager.ttflist
    for entry in sorted(entries, key=lambda entry: entry.fname):
        # Fonts of placeholders have every character and show none.
        placeholder = "last resort" in entry.name.lower()
        regular = entry.style == "normal" and entry.weight in (400, "normal")
        if regular and not placeholder:
            yield entry.fname


@functools.cache
def _characters(file):
    """Code points that a font file has; none if it cannot be scaled."""
    try:
        font = ft2font.FT2Font(file)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


def _save(figure, path):
    """Writes a figure so that the file is complete or not there."""
    suffix = check_format(path)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        figure.savefig(temporary, format=suffix, dpi=150)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
