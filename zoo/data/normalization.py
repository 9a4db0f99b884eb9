"""Unicode normalisation of text inside the TensorFlow graph."""

import functools
import re
import unicodedata

import tensorflow as tf

WORD_MARK = "\u2581"  # LOWER ONE EIGHTH BLOCK, "▁": a space before a token
LINE_MARK = "\u23ce"  # RETURN SYMBOL, "⏎": the end of a line, where it is kept
REPLACEMENT = "\ufffd"  # what a broken UTF-8 byte becomes

# Format characters that only separate: zero width space, word joiner, BOM.
_INVISIBLE = "\u200b\u2060\ufeff"
_SPACE_CATEGORIES = ("Cc", "Zs", "Zl", "Zp")
_SURROGATES = range(0xD800, 0xE000)
# CJK radicals, unified ideographs A-H, compatibility ideographs.
_IDEOGRAPHS = (
    range(0x2E80, 0x2FE0),
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x323B0),
)
_LAST_PLANE = 0x40000  # nothing is assigned beyond that a table would change
_TABLE_HEADER = "# character -> replacement, as hexadecimal code points"


@functools.cache
def _simplified():
    """The Traditional -> Simplified map of single characters (OpenCC t2s)."""
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise ImportError(
            "`simplify=True` builds its table with OpenCC, which is not "
            "installed. Run `pip install opencc-python-reimplemented`, or pass "
            "a ready `table`."
        ) from error
    characters = [chr(code) for codes in _IDEOGRAPHS for code in codes]
    # One character a line: no phrase can match, and one call converts all.
    converted = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {
        character: simple
        for character, simple in zip(characters, converted, strict=True)
        if character != simple
    }


@functools.cache
def _build_table(simplify, lowercase):
    simplified = _simplified() if simplify else {}

    def simple(character):
        for _ in range(2):  # one character of OpenCC's needs two steps
            character = simplified.get(character, character)
        return character

    def replacement(character):
        if character == WORD_MARK:
            return "_"
        if (
            unicodedata.category(character) in _SPACE_CATEGORIES
            or character in _INVISIBLE
        ):
            return " "
        text = unicodedata.normalize("NFKC", character)
        text = "".join(map(simple, text))
        if lowercase:
            text = unicodedata.normalize("NFKC", text.lower())
        return text

    table = {}
    for code in range(_LAST_PLANE):
        if code in _SURROGATES:
            continue
        character = chr(code)
        text = replacement(character)
        if text != character:
            table[character] = text
    return table


def build_table(simplify=False, lowercase=False, keep_lines=False):
    """Builds the character table of a `Normalizer`.

    Args:
        simplify: Boolean, Traditional -> Simplified Chinese (OpenCC's `t2s`
            applied character by character).
        lowercase: Boolean, lower case.
        keep_lines: Boolean, line feed -> `⏎` (U+23CE), which `detokenize`
            turns back, instead of a space: for models of whole pages.

    Returns:
        A dict from a character to its replacement, without the characters
        that stay as they are.

    Example:

    >>> table = build_table(simplify=True)
    >>> table["漢"], table["Ａ"], table["…"], "字" in table
    ('汉', 'A', '...', False)
    """
    table = dict(_build_table(bool(simplify), bool(lowercase)))
    if keep_lines:
        table["\n"] = LINE_MARK
    return table


def table_to_text(table):
    """Writes a character table as text: hexadecimal, one character a line.

    Example:

    >>> print(table_to_text({"…": "..."}))
    # character -> replacement, as hexadecimal code points
    2026	2E 2E 2E
    <BLANKLINE>
    """
    lines = [_TABLE_HEADER]
    for character in sorted(table):
        codes = " ".join(f"{ord(c):X}" for c in table[character])
        lines.append(f"{ord(character):X}\t{codes}")
    return "\n".join(lines) + "\n"


def table_from_text(text):
    """Reads what `table_to_text` wrote.

    Args:
        text: String, lines of `character<TAB>replacement` in hexadecimal code
            points; empty lines and lines that start with `#` are skipped.

    Returns:
        The character table, a dict.

    Raises:
        ValueError: a line is not of this form.
    """
    table = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            character, replacement = line.split("\t")
            table[chr(int(character, 16))] = "".join(
                chr(int(code, 16)) for code in replacement.split()
            )
        except ValueError as error:
            raise ValueError(
                "Expected a line `HEX<TAB>HEX HEX ...` in a normalisation "
                f"table. Received, in line {number}: {line!r}."
            ) from error
    return table


class Normalizer(tf.Module):
    r"""Maps text to one spelling of each character, in the graph.

    Each character c becomes table[c], or stays:

    - NFKC of the character alone (Unicode Standard Annex #15,
      https://unicode.org/reports/tr15): full width → ASCII, `…` → `...`;
    - with `simplify`, Traditional → Simplified Chinese: OpenCC's
      configuration `t2s`, character by character
      (https://github.com/BYVoid/OpenCC);
    - with `lowercase`, lower case;
    - control characters (NUL, tab and line breaks included), every Unicode
      space, zero width space, word joiner and byte order mark → a space;
    - `▁` (U+2581), which marks word boundaries in tokens, → `_`.

    A broken UTF-8 byte becomes U+FFFD. Then runs of spaces become one space,
    and spaces at both ends go.

    The table is data: it is saved with the tokenizer and inside a SavedModel,
    so neither depends on the Python or OpenCC that built it.

    Limits: as characters are mapped one by one, combining sequences are not
    composed (`e` + U+0301 stays two characters), nor does a phrase decide
    how an ambiguous Traditional character is simplified (乾 → 干 always).

    Args:
        simplify: Boolean, Traditional → Simplified. Defaults to `False`.
        lowercase: Boolean. Defaults to `False`.
        table: The table itself instead of the two options' one: a dict from
            a character to its replacement, or the text of `table_to_text`.

    Call arguments:
        text: String tensor of any shape, or anything that converts to one.

    Returns:
        String tensor of the same shape.

    Raises:
        ImportError: `simplify` without `table`, and OpenCC is not installed.
        TypeError: `table` is neither a dict nor a string.
        ValueError: `table` has a key that is not one character, or a
            replacement that is empty.

    Example:

    >>> normalizer = Normalizer(simplify=True)
    >>> normalizer(["我愛　中國！", "\tＡ  B\0"]).numpy()[0].decode()
    '我爱 中国!'
    >>> normalizer.normalize("\tＡ  B\0")
    'A B'
    """

    def __init__(self, simplify=False, lowercase=False, table=None):
        super().__init__(name="normalizer")
        for name, value in (("simplify", simplify), ("lowercase", lowercase)):
            if not isinstance(value, bool):
                raise TypeError(
                    f"Expected a boolean for `{name}`. Received: {value!r}."
                )
        self.simplify = simplify
        self.lowercase = lowercase
        if table is None:
            table = _build_table(simplify, lowercase)
        elif isinstance(table, str):
            table = table_from_text(table)
        elif not isinstance(table, dict):
            raise TypeError(
                "Expected a dict or the text of `table_to_text` for `table`. "
                f"Received: {table!r}."
            )
        for character, replacement in table.items():
            if len(character) != 1 or not replacement:
                raise ValueError(
                    "Expected `table` to map single characters to one or more "
                    f"characters. Received: {character!r} -> {replacement!r}."
                )
        self._set_table(table)

    def _set_table(self, table):
        self._translation = Untracked(str.maketrans(table))
        table = {" ": " ", **table}  # a TensorFlow table must not be empty
        with tf.init_scope():
            self._table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(list(table), tf.string),
                    tf.constant(list(table.values()), tf.string),
                ),
                default_value="",
            )

    @property
    def table(self):
        """The character table, a dict."""
        return {
            chr(code): text for code, text in self._translation.value.items()
        }

    def __call__(self, text):
        text = tf.convert_to_tensor(text, tf.string)
        shape = tf.shape(text)
        # Broken bytes become U+FFFD here.
        characters = tf.strings.unicode_split(
            tf.reshape(text, [-1]), "UTF-8", errors="replace"
        )
        flat = characters.flat_values
        mapped = self._table.lookup(flat)
        flat = tf.where(mapped == "", flat, mapped)
        joined = tf.strings.reduce_join(
            characters.with_flat_values(flat), axis=-1
        )
        joined = tf.strings.regex_replace(joined, " +", " ")
        return tf.ensure_shape(
            tf.reshape(tf.strings.strip(joined), shape), text.shape
        )

    def normalize(self, text):
        """The same on a Python string."""
        text = text.translate(self._translation.value)
        return re.sub(" +", " ", text).strip(" ")


class Untracked:
    """Holds a dict that TensorFlow shall not wrap and track."""

    def __init__(self, value):
        self.value = value
