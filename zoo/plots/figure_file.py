"""The file that a picture is written to."""

import os
import pathlib
import uuid

from matplotlib.figure import Figure


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


def save_figure(figure, path):
    """Writes a figure so that the file is complete or not there.

    Args:
        figure: `matplotlib.figure.Figure`.
        path: string or path; its folder is created.

    Raises:
        ValueError: As `check_format`.
    """
    suffix = check_format(path)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        # "tight": a picture of fixed aspect may leave labels outside
        figure.savefig(temporary, format=suffix, dpi=150, bbox_inches="tight")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
