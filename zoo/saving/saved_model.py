"""SavedModels: strings in, strings out, on TensorFlow alone."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import uuid

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from zoo.saving.array_signatures import array_signatures
from zoo.saving.catalog import SAVED_MODEL_FILE
from zoo.saving.catalog import is_saved_model
from zoo.saving.language_model_signatures import language_model_signatures
from zoo.saving.translation_signatures import translation_signatures

_CHECK = pathlib.Path(__file__).with_name("check_saved_model.py")
# Ops that run on a GPU only, in a Python process only, or only where a
# library besides TensorFlow is loaded.
_BOUND_OPS = ("Cudnn", "PyFunc", "TFText>", "Sentencepiece")


def export(model, folder):
    """Writes a model as a SavedModel that needs nothing but TensorFlow.

    It loads with `import tensorflow` alone, on CPU or GPU, and in TensorFlow
    Serving if `folder` is named after a version: `saved_models/NAME/1`. A
    `zoo.models.Seq2Seq` gets these signatures; the input of each is `text`,
    strings of shape `(batch_size,)`, in UTF-8, of any lengths:

    - `serving_default`: `text` (strings) and `score` (float32), both
      `(batch_size,)`, by beam search of width 5 with the model's length
      penalty;
    - `greedy`: the same by greedy search, faster;
    - `nbest`: the same with a second axis of the 5 best, best first;
    - `translate_with_alignments`: adds `source_tokens` `(batch_size,
      source_length)`, `target_tokens` `(batch_size, target_length)`, padded
      with empty strings, and `alignments` `(batch_size, target_length,
      source_length)`; a model without attention lacks it;
    - `tokenize`: `tokens` (strings) and `ids` (int32), `(batch_size,
      source_length)`: what the model reads, end token included.

    A `zoo.models.LanguageModel` gets

    - `generate`: from `prompt` (strings, `(batch_size,)`) and the scalars
      `max_tokens` (int32), `temperature` (float32; 0: the most probable token
      each time) and `seed` (int32), `text`: the prompts, completed;
    - `score`: from `text`, `log_probability` (float32, natural logarithm,
      the end of the text included) and `tokens` (int32, their number), both
      `(batch_size,)`.

    A functional `keras.Model` gets `serving_default` alone, whose inputs and
    outputs have the names of the layers that they come from.

    A sentence's result does not depend on the others in its batch. Text
    without a token (empty, only spaces) becomes the empty string with a score
    of 0. What is longer than the preprocessor's `encoder_sequence_length` is
    cut there. Bytes that are not UTF-8 are read as unknown characters. An
    empty batch gives empty results.

    The SavedModel is written beside `folder`, loaded and run there in a
    process of its own that imports TensorFlow only, and renamed when all of
    that went well. Until then an older one stays as it is.

    Args:
        model: A `zoo.models.Seq2Seq` or `zoo.models.LanguageModel` with a
            preprocessor, or a functional `keras.Model`.
        folder: string or path. An older SavedModel there is replaced.

    Returns:
        The path of the folder.

    Raises:
        TypeError: If this kind of model has no signatures.
        FileExistsError: If there is something else than a SavedModel.
        ValueError: If the model holds an op that runs on a GPU, in a Python
            process or with another library only.
        OSError: If it can't be written, for instance on a full disk.
        RuntimeError: If the written SavedModel fails in its own process.

    Example:

    ```python
    zoo.export(model, "saved_models/zh_en/1")
    loaded = tf.saved_model.load("saved_models/zh_en/1")
    loaded.signatures["serving_default"](text=tf.constant(["我爱中国"]))
    ```
    """
    folder = _free_folder(folder)  # before the work of tracing
    return export_functions(*_signatures(model), folder)


def export_functions(functions, resources, examples, folder):
    """Writes functions of yours as a SavedModel, with the care of `export`.

    Args:
        functions: Dictionary from a signature's name to a `tf.function` with
            an `input_signature` of named `tf.TensorSpec`, returning a
            dictionary of tensors.
        resources: List of what the functions look things up in, such as the
            `resources` of a tokenizer.
        examples: Dictionary from a signature's name to a list of its inputs,
            each a dictionary of lists: the SavedModel is tried on them. The
            first axis of every output must be that of the inputs.
        folder: string or path. An older SavedModel there is replaced.

    Returns:
        The path of the folder.

    Raises:
        FileExistsError: As `export`, and so the others.
        ValueError: If a function holds an op that does not run everywhere.
        OSError: If it can't be written.
        RuntimeError: If the written SavedModel fails in its own process.

    Example:

    ```python
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def upper(text):
        return {"text": tf.strings.upper(text)}

    functions = {"serving_default": upper}
    examples = {"serving_default": [{"text": ["a", ""]}]}
    zoo.saving.export_functions(functions, [], examples, "upper/1")
    ```
    """
    folder = _free_folder(folder)
    module = tf.Module()
    # Calling each signature once here creates what is created on first use.
    functions = {
        name: function.get_concrete_function()
        for name, function in functions.items()
    }
    for name, function in functions.items():
        _check_ops(name, function.graph.as_graph_def())
    # Only what the signatures read: no optimizer, no seeds of dropout.
    variables = {}
    for function in functions.values():
        variables.update({id(v): v for v in function.graph.variables})
    module.weights = list(variables.values())
    module.resources = resources

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.tmp-{uuid.uuid4().hex}")
    try:
        _write(module, functions, temporary)
        _check(temporary, examples)
        _rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _free_folder(folder):
    """The absolute path, if a SavedModel may be written there."""
    folder = pathlib.Path(os.path.abspath(folder))
    if folder.exists() and not _replaceable(folder):
        raise FileExistsError(
            f"Expected a new folder or one with a SavedModel, got {folder}, "
            "which holds something else. Choose another or remove it."
        )
    return folder


def _signatures(model):
    """Signatures, resources and example inputs for this kind of model."""
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            "Expected the Keras backend 'tensorflow' to export a SavedModel, "
            f"got {keras.config.backend()!r}. Set KERAS_BACKEND=tensorflow, "
            "and load the model from its preset."
        )
    if hasattr(model, "translate_tensor"):
        return translation_signatures(model)
    if hasattr(model, "sample_tensor"):
        return language_model_signatures(model)
    if getattr(model, "inputs", None):
        return array_signatures(model)
    raise TypeError(
        "Expected a zoo.models.Seq2Seq, a zoo.models.LanguageModel or a "
        f"functional keras.Model to export, got {type(model).__name__}. For "
        "others use model.export()."
    )


def _replaceable(folder):
    return folder.is_dir() and (
        is_saved_model(folder) or not any(folder.iterdir())
    )


def _check_ops(name, graph):
    """Refuses ops that don't run wherever TensorFlow does."""
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes += function.node_def
        if function.attr["_XlaMustCompile"].b:
            raise ValueError(
                f"Expected signature {name!r} without functions compiled by "
                f"XLA, got {function.signature.name!r}. TensorFlow Serving "
                "may lack XLA: trace it with jit_compile=False."
            )
    bound = sorted({n.op for n in nodes if any(b in n.op for b in _BOUND_OPS)})
    if bound:
        raise ValueError(
            f"Expected signature {name!r} with ops that run wherever "
            f"TensorFlow does, got {', '.join(bound)}. cuDNN ops appear where "
            "a GPU is visible: export with CUDA_VISIBLE_DEVICES=-1. Text ops "
            "come from a tokenizer that is none of zoo.data."
        )


def _write(module, functions, temporary):
    size = sum(v.dtype.size * v.shape.num_elements() for v in module.weights)
    size += 1 << 23  # graphs and tables
    free = shutil.disk_usage(temporary.parent).free
    if free < size:
        raise OSError(
            f"Expected {size} free bytes for the SavedModel in "
            f"{temporary.parent}, got {free}. Free some space; nothing was "
            "changed."
        )
    options = tf.saved_model.SaveOptions(
        experimental_custom_gradients=False  # it serves, it does not train
    )
    try:
        tf.saved_model.save(module, str(temporary), functions, options)
    except tf.errors.OpError as error:
        raise OSError(
            f"Writing the SavedModel to {temporary.parent} failed, nothing "
            f"was changed: {error.message}"
        ) from error
    _forget_gradients(temporary / SAVED_MODEL_FILE)


def _forget_gradients(path):
    """Takes the names of custom gradients out of a SavedModel's graphs.

    They aren't saved, and TensorFlow warns of each when it loads the model.
    """
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in model.meta_graphs:
        graph = meta_graph.graph_def
        nodes = [*graph.node]
        for function in graph.library.function:
            nodes += function.node_def
        for node in nodes:
            node.attr.pop("_gradient_op_type", None)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _check(folder, examples):
    """Runs the SavedModel in a process that imports TensorFlow only."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # A model must run without the GPU that it was trained on.
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    result = subprocess.run(
        [sys.executable, "-I", _CHECK, folder],  # -I: no PYTHONPATH
        input=json.dumps(examples),
        capture_output=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(
            "Expected the SavedModel to load and run in a process that "
            "imports only tensorflow; it failed there and was not kept:\n"
            f"{result.stderr[-4000:]}"
        )


def _rename(temporary, folder):
    """Puts a folder in another's place; if that fails, both stay."""
    if not folder.exists():
        temporary.rename(folder)
        return
    old = temporary.with_name(temporary.name + "-old")
    folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
