"""Sentence pairs from files: columns of a table, or two parallel files."""

import bz2
import gzip
import itertools
import logging
import lzma
import os

_logger = logging.getLogger(__name__)

_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_BROKEN = (EOFError, lzma.LZMAError, gzip.BadGzipFile, OSError)


class DataError(ValueError):
    """A file does not hold what it should; the message names file and line.

    Example:

    >>> import tempfile
    >>> import zoo
    >>> with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
    ...     _ = file.write("Hi.\\t嗨。\\nRun!\\n")
    ...     file.flush()
    ...     try:
    ...         zoo.data.read_pairs(file.name, 0, 1)
    ...     except zoo.data.DataError as error:
    ...         print(error)
    /...tsv, line 2: ...
    """


def read_lines(path):
    """Yields the lines of a text file, numbered from 1.

    UTF-8, with or without a byte order mark; lines end with `\\n` or `\\r\\n`;
    a name that ends in `.gz`, `.bz2` or `.xz` is decompressed.

    Args:
        path: String or path-like.

    Yields:
        `(number, text)`, without the end of the line.

    Raises:
        FileNotFoundError: no such file.
        DataError: bytes that are not UTF-8, or a damaged compressed file.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "no such file"
        raise FileNotFoundError(
            f"Expected a text file at {path!r}, which is {kind}. Check the "
            f"path (working directory: {os.getcwd()})."
        )
    number = 0
    try:
        with _OPENERS.get(os.path.splitext(path)[1], open)(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                line = line.removesuffix(b"\n").removesuffix(b"\r")
                yield number, _decode(line, path, number)
    except _BROKEN as error:
        raise DataError(
            f"{path}, after line {number}: the file cannot be read to its "
            f"end: {error}. Is it damaged, or not what its name says?"
        ) from error


def _decode(line, path, number):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}, byte {error.start + 1}: expected UTF-8 "
            f"text, got the byte 0x{line[error.start]:02x}. Convert the file, "
            "for example with `iconv -f GB18030 -t UTF-8`."
        ) from error


def read_pairs(path, source_column=0, target_column=1):
    r"""Reads sentence pairs from a table with tab-separated columns.

    Quotes are literal: a line is split at its tabs and nowhere else. Other
    columns are ignored. Lines that are empty are skipped, and so are pairs
    with an empty side (spaces only included), which a warning counts.

    Args:
        path: String or path-like, UTF-8 text, perhaps `.gz`, `.bz2` or `.xz`.
        source_column: Integer from 0 on, or a string: the column of that name
            in the first line, which is then a header.
        target_column: The same for the target. Both are integers, or both
            are names.

    Returns:
        List of `(source, target)` strings, in the order of the file.

    Raises:
        FileNotFoundError: no such file.
        TypeError: a column that is neither an integer nor a string.
        DataError: bytes that are not UTF-8, a line with too few columns, a
            name that the header doesn't have, or no pairs. The message names
            file and line.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "pairs.tsv")
    >>> with open(path, "w", encoding="utf-8") as file:
    ...     _ = file.write("en\tzh\nHi.\t嗨。\nRun!\t跑！\n")
    >>> read_pairs(path, "zh", "en")
    [('嗨。', 'Hi.'), ('跑！', 'Run!')]
    """
    named = [
        _is_name(name, column)
        for name, column in (
            ("source_column", source_column),
            ("target_column", target_column),
        )
    ]
    if named[0] != named[1]:
        raise TypeError(
            "Expected two column numbers, or two column names. Received: "
            f"source_column={source_column!r}, target_column={target_column!r}."
        )
    lines = read_lines(path)
    columns = (source_column, target_column)
    if named[0]:
        header = next(lines, (0, ""))[1].split("\t")
        columns = [_find_column(name, header, path) for name in columns]
    pairs, skipped = [], 0
    for number, line in lines:
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) <= max(columns):
            raise DataError(
                f"{path}, line {number}: expected at least "
                f"{max(columns) + 1} columns separated by tabs, got "
                f"{len(fields)}: {_shorten(line)!r}."
            )
        pair = tuple(fields[column] for column in columns)
        if all(text.strip() for text in pair):
            pairs.append(pair)
        else:
            skipped += 1
    return _checked(pairs, skipped, path)


def _is_name(argument, column):
    if isinstance(column, str):
        return True
    if not isinstance(column, int) or isinstance(column, bool):
        raise TypeError(
            f"Expected a column number or name for `{argument}`. Received: "
            f"{column!r}."
        )
    if column < 0:
        raise ValueError(
            f"Expected a column number from 0 on for `{argument}`. Received: "
            f"{column}."
        )
    return False


def _find_column(name, header, path):
    if name not in header:
        raise DataError(
            f"{path}, line 1: expected a header with a column {name!r}, got "
            f"the columns {header}. Give a name among these, or numbers from "
            "0 on if the file has no header."
        )
    return header.index(name)


def read_parallel(source_path, target_path):
    """Reads sentence pairs from two files, line by line.

    Pairs with an empty side (spaces only included) are skipped; a warning
    counts them.

    Args:
        source_path: String or path-like, UTF-8 text, perhaps `.gz`, `.bz2` or
            `.xz`: one sentence a line.
        target_path: The same, with as many lines.

    Returns:
        List of `(source, target)` strings, in the order of the files.

    Raises:
        FileNotFoundError: no such file.
        DataError: bytes that are not UTF-8, files of different length, or no
            pairs. The message names file and line.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "zh").write_text("嗨。\\n跑！\\n", encoding="utf-8")
    >>> _ = (folder / "en").write_text("Hi.\\nRun!\\n", encoding="utf-8")
    >>> read_parallel(folder / "zh", folder / "en")
    [('嗨。', 'Hi.'), ('跑！', 'Run!')]
    """
    pairs, skipped = [], 0
    sides = itertools.zip_longest(
        read_lines(source_path), read_lines(target_path)
    )
    for number, (source, target) in enumerate(sides, start=1):
        if source is None or target is None:
            short, long = source_path, target_path
            if target is None:
                short, long = long, short
            raise DataError(
                f"{short}, line {number}: expected as many lines as in {long}, "
                f"but the file ends after line {number - 1}. Parallel files "
                "hold the same sentence on the same line."
            )
        pair = source[1], target[1]
        if all(text.strip() for text in pair):
            pairs.append(pair)
        else:
            skipped += 1
    return _checked(pairs, skipped, f"{source_path}, {target_path}")


def _checked(pairs, skipped, path):
    if not pairs:
        raise DataError(
            f"{path}, line 1: expected sentence pairs, got none"
            + (f" but {skipped} with an empty side." if skipped else ".")
            + " Is the file empty?"
        )
    if skipped:
        _logger.warning(
            "%s: %d pairs with an empty side skipped, %d read",
            *(path, skipped, len(pairs)),
        )
    return pairs


def _shorten(text, length=80):
    return text if len(text) <= length else text[: length - 3] + "..."
