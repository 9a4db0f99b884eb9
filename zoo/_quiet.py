"""Keeps TensorFlow's start-up messages off the screen."""

import contextlib
import logging
import os
import sys
import warnings


@contextlib.contextmanager
def quiet_tensorflow():
    """Imports TensorFlow, and lets it say nothing while the block runs.

    Its C++ libraries write to file descriptor 2, whatever Python's
    `sys.stderr` is. Afterwards they still write errors that end the process,
    or more if the environment sets TF_CPP_MIN_LOG_LEVEL.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow as tf

            tf.get_logger().setLevel(logging.ERROR)
            tf.config.list_physical_devices()  # looks for a GPU, loudly
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
