"""The training of a run, begun or gone on with after a crash."""

import dataclasses

import zoo
from recipes.report import write_config


def going_on(folder, config, callbacks):
    """Finds what a killed training left in a run's folder.

    Writes the run's `config.json`.

    Args:
        folder: Path of the run's folder.
        config: The recipe's configuration.
        callbacks: Callbacks that remember something, for `Resume`.

    Returns:
        A `zoo.training.Resume` for `fit`.

    Raises:
        zoo.data.DataError: If what is there is of other settings.
    """
    # where a run lies does not change it
    settings = {**dataclasses.asdict(config), "folder": ""}
    try:
        resume = zoo.training.Resume(folder / "resume.npz", settings, callbacks)
    except ValueError as error:
        raise zoo.data.DataError(str(error)) from error
    if resume.first_epoch:
        print(
            f"Going on after {resume.first_epoch} epochs, "
            f"{resume.seconds / 60:.1f} minutes, with {resume.path}"
        )
    write_config(folder, config)
    return resume
