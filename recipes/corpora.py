"""Where a recipe finds the texts that cannot be shipped."""

import os
import pathlib

from zoo.data import DataError
from zoo.data.readers import read_lines

# Name: its folder; its files for training, choosing and testing; where to
# get them.
TEXTS = {
    "ptb": (
        "ptb",
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        "The Penn Treebank in Mikolov's preprocessing belongs to the LDC "
        "(catalogue number LDC99T42); many copies of the folder "
        "`simple-examples/data` hold the three files.",
    ),
    "wikitext-2": (
        "wikitext-2",
        ("train.txt", "valid.txt", "test.txt"),
        "WikiText-2 is on the Hugging Face hub as `Salesforce/wikitext`, "
        "configuration `wikitext-2-v1`, CC BY-SA 3.0.",
    ),
}


def read_texts(corpus, files=(), folder=""):
    """The lines of a corpus, in its parts.

    Args:
        corpus: A name among `TEXTS`; with `files` only a name.
        files: Three text files, for training, choosing and testing, or none.
        folder: Folder of corpora, by default the environment variable
            ZOO_DATA.

    Returns:
        Three lists of strings.

    Raises:
        DataError: If the files are not there, with where to get them.
    """
    if files:
        if len(files) != 3:
            raise DataError(
                "--files: give three text files, for training, choosing and "
                f"testing, got {len(files)}."
            )
        paths = [pathlib.Path(file) for file in files]
    else:
        if corpus not in TEXTS:
            raise DataError(
                f"--corpus: expected one of {', '.join(TEXTS)}, got "
                f"{corpus!r}. For other texts give --files."
            )
        paths = find_files(corpus, *TEXTS[corpus], folder)
    return tuple([text for _, text in read_lines(path)] for path in paths)


def find_files(corpus, name, files, source, folder=""):
    """Paths of a corpus's files, if they are there.

    Args:
        corpus: What the corpus is called.
        name: Folder of the corpus in the folder of corpora.
        files: Names of its files.
        source: Sentences that say where to get it.
        folder: Folder of corpora, by default the environment variable
            ZOO_DATA.

    Returns:
        List of paths.

    Raises:
        DataError: If a file is not there, with where to get it.
    """
    folder = folder or os.environ.get("ZOO_DATA", "")
    home = pathlib.Path(folder, name)
    paths = [home / file for file in files]
    if folder and not paths[0].exists():
        # a training part whose articles are in another order
        found = sorted(home.glob("train.*.txt"))
        paths[0] = found[0] if found else paths[0]
    if not folder or not all(path.exists() for path in paths):
        raise DataError(
            f"the corpus {corpus!r} is not shipped. {source} Put "
            f"{', '.join(files)} into a folder {name}/ and give the folder "
            "around it: --data FOLDER, or the environment variable "
            f"ZOO_DATA (now {folder or 'not set'!r})."
        )
    return paths
