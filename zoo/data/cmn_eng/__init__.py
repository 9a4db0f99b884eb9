"""The corpus cmn_eng: Chinese and English sentences, shipped with zoo."""

import functools
import importlib.resources
import lzma
from typing import NamedTuple

SPLITS = ("train", "dev", "test")
FILE = "cmn_eng.tsv.xz"


class Example(NamedTuple):
    """A sentence in two languages.

    Attributes:
        en: The English sentence.
        zh: The Chinese one, in Simplified or Traditional characters.
        attribution: Licence and authors, to be kept with the sentences.
    """

    en: str
    zh: str
    attribution: str


def read_split(split):
    """Reads a split from the package, without `tensorflow_datasets`.

    Args:
        split: `"train"`, `"dev"` or `"test"`.

    Returns:
        List of `Example`, in the order of the source.

    Raises:
        ValueError: no such split.

    Example:

    >>> example = read_split("test")[2]
    >>> example.zh, example.en
    ('联系我。', 'Call me.')
    """
    if split not in SPLITS:
        raise ValueError(
            f"Expected a split among {', '.join(map(repr, SPLITS))}. Received: "
            f"{split!r}."
        )
    return list(_read()[split])


@functools.cache
def _read():
    data = importlib.resources.files(__name__).joinpath(FILE).read_bytes()
    examples = {split: [] for split in SPLITS}
    for line in lzma.decompress(data).decode("utf-8").split("\n")[:-1]:
        split, *fields = line.split("\t")
        examples[split].append(Example(*fields))
    return examples
