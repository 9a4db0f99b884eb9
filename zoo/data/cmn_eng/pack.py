"""Packs three tables into the file that zoo ships.

    python -m zoo.data.cmn_eng.pack train.tsv dev.tsv test.tsv

Each table has the columns English, Chinese and attribution, without a header.
The lines go unchanged and in order into `cmn_eng.tsv.xz` beside this program,
with the name of their split as first column. The same tables give the same
file, byte for byte, with one version of liblzma.
"""

import argparse
import lzma
import pathlib

from zoo.data.cmn_eng import FILE
from zoo.data.cmn_eng import SPLITS
from zoo.data.cmn_eng import Example
from zoo.data.readers import read_lines


def pack(paths, output):
    """Writes the tables of train, dev and test into one compressed file."""
    lines = []
    for split, path in zip(SPLITS, paths, strict=True):
        for number, line in read_lines(path):
            if line.count("\t") + 1 != len(Example._fields):
                raise ValueError(
                    f"{path}, line {number}: expected the columns "
                    f"{', '.join(Example._fields)}, got {line!r}."
                )
            lines.append(f"{split}\t{line}\n")
    data = "".join(lines).encode("utf-8")
    pathlib.Path(output).write_bytes(
        lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
    )


def main(arguments=None):
    """Runs the program."""
    parser = argparse.ArgumentParser(
        prog="python -m zoo.data.cmn_eng.pack",
        description="Packs the tables of the corpus cmn_eng into one file.",
    )
    for split in SPLITS:
        parser.add_argument(split, help=f"table of the split {split}")
    parser.add_argument(
        "--output",
        default=pathlib.Path(__file__).with_name(FILE),
        help="file to write (default: the one that zoo ships)",
    )
    options = parser.parse_args(arguments)
    pack([getattr(options, split) for split in SPLITS], options.output)


if __name__ == "__main__":
    main()
