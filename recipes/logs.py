"""What every training of a recipe writes down."""

import keras


def logs(folder, append=False):
    """The callbacks that a training is followed with.

    Args:
        folder: Path of the folder for `history.csv` and TensorBoard's `logs`;
            it is made if it is not there.
        append: Whether the training goes on, and its history with it.

    Returns:
        List of callbacks; the last ends the training at a loss that is not
        a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        keras.callbacks.CSVLogger(folder / "history.csv", append=append),
        keras.callbacks.TensorBoard(folder / "logs", write_graph=False),
        keras.callbacks.TerminateOnNaN(),
    ]
