"""Texts in pictures: readable in any script, on any machine."""

import functools
import os
import pathlib
import typing
import unicodedata
import warnings

import matplotlib
from matplotlib import font_manager
from matplotlib import ft2font

_MISSING = "□"
_SPACE = "␣"


def name_ticks(axis, positions, texts, size):
    """Writes one text at each position of an axis.

    Columns' texts of more than three characters are turned.

    Args:
        axis: `axes.xaxis`, with its ticks above or below, or `axes.yaxis`.
        positions: Where the texts stand.
        texts: strings as `readable` returns them.
        size: float, in points.

    Returns:
        The texts as drawn, for `warn_of_boxes`.
    """
    # One font per text; what no font has is a box.
    found = [find_font(text) for text in texts]
    axis.set_ticks(positions, [text.text for text in found])
    columns = axis.axis_name == "x"
    above = axis.get_ticks_position() == "top"
    for label, text in zip(axis.get_ticklabels(), found, strict=True):
        label.set(parse_math=False, fontproperties=text.properties(size))
        if columns and len(text.text) > 3:
            side = "left" if above else "right"
            label.set(rotation=45, ha=side, rotation_mode="anchor")
    return found


def write(draw, text, size=13.0):
    """Writes a title or the name of an axis, or nothing.

    Args:
        draw: `axes.set_title`, or another method with its arguments.
        text: string, or `None`.
        size: float, in points.

    Returns:
        The text as drawn, for `warn_of_boxes`.
    """
    found = find_font(readable(text) if text else "")
    draw(found.text, parse_math=False, fontproperties=found.properties(size))
    return found


def readable(token):
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


def find_font(text):
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


def warn_of_boxes(found):
    """Warns of the characters that are drawn as boxes, each once."""
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
        pathlib.Path(__file__).parents[1] / "fonts" / "wqy-microhei-subset.ttf"
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
