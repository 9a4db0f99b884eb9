"""What the reports of all recipes are made of."""

import dataclasses
import json
import os
import pathlib
import platform
import shlex
import sys
import time
from typing import NamedTuple

import keras
import tensorflow as tf


class Figure(NamedTuple):
    """A line of a report's table.

    Attributes:
        name: What was measured, with its unit.
        here: What this run measured.
        reference: What the source printed, if it did.
        source: Where it is printed.
    """

    name: str
    here: object
    reference: object = ""
    source: str = ""


def write_report(folder, module, config, figures, sections, started):
    """Writes `report.md` and prints it.

    Args:
        folder: Path of the run's folder.
        module: Name of the recipe's module, for the command line.
        config: The recipe's configuration, with a `name` and a `seed`.
        figures: List of `Figure`.
        sections: Dictionary from headings to Markdown text.
        started: `time.time()` at the start of the run.

    Returns:
        Dictionary from the figures' names to what was measured here.
    """
    lines = [f"# {config.name}", "", f"`{command(module)}`", ""]
    lines += ["| | here | reference | source |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(map(str, figure))} |" for figure in figures]
    for heading, text in sections.items():
        lines += ["", f"## {heading}", "", text]
    run = {"seed": config.seed}
    if getattr(config, "train_first", True):
        run["minutes"] = round((time.time() - started) / 60, 2)
    run.update(training_facts(folder))
    lines += ["", "## This run", ""]
    lines += [f"- {name}: {value}" for name, value in run.items()]
    text = "\n".join([*lines, ""])
    write_atomically(folder / "report.md", text)
    print(f"{text}\nReport, plots and model are in {folder}.")
    return {figure.name: figure.here for figure in figures}


def write_config(folder, config):
    """Writes the configuration of a run to its `config.json`."""
    text = json.dumps(dataclasses.asdict(config), indent=2, ensure_ascii=False)
    write_atomically(folder / "config.json", f"{text}\n")


def write_training_facts(folder, started):
    """Writes how long the training took since `started`, and on what."""
    facts = {
        "training, minutes": round((time.time() - started) / 60, 2),
        **machine(),
    }
    write_atomically(folder / "training.json", json.dumps(facts, indent=2))


def training_facts(folder):
    """What `write_training_facts` wrote; without a file, this machine."""
    path = folder / "training.json"
    return json.loads(path.read_text()) if path.exists() else machine()


def machine():
    """Hardware and software of this process."""
    return {
        "hardware": hardware(),
        "software": f"Python {platform.python_version()}, TensorFlow "
        f"{tf.__version__}, Keras {keras.__version__}",
    }


def hardware():
    """The cores that this process may use, the processor, any GPU."""
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = len(os.sched_getaffinity(0))
    devices = tf.config.list_physical_devices("GPU")
    return (
        f"{cores} core{'s' * (cores != 1)}, {processor()}, "
        f"{len(devices) or 'no'} GPU{'s' * (len(devices) > 1)}"
    )


def processor():
    """The processor's name, as far as the system tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def command(module):
    """The command line of this run, without the flag to evaluate only.

    Args:
        module: The recipe's module. If another recipe was started, which uses
            this one, the command is the other's.
    """
    started = getattr(sys.modules["__main__"], "__spec__", None)
    if started is not None and started.name.startswith("recipes."):
        module = started.name
    arguments = [x for x in sys.argv[1:] if x != "--no-train_first"]
    return shlex.join(["python", "-m", module, *arguments])


def write_atomically(path, text):
    """Writes a text file that is there complete or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
