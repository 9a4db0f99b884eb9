"""The signatures of a language model."""

import tensorflow as tf

from zoo.saving.empty_batches import at_least_one

_TEXTS = ["我爱中国", "", "I", " ", "the of and " * 50]
_OPTIONS = {"max_tokens": 3, "temperature": 1.0, "seed": 1}
_EXAMPLES = {
    "generate": [
        {"prompt": _TEXTS, **_OPTIONS},
        {"prompt": ["I"], **_OPTIONS, "temperature": 0.0},
        {"prompt": [], **_OPTIONS},
        {"prompt": ["I"], **_OPTIONS, "max_tokens": 0},
    ],
    "score": [{"text": _TEXTS}, {"text": ["I"]}, {"text": []}],
}


def language_model_signatures(model):
    """Makes the functions that a SavedModel of a language model offers.

    Args:
        model: A `zoo.models.LanguageModel` with a preprocessor.

    Returns:
        `(signatures, resources, examples)`, as from
        `zoo.saving.translation_signatures`.

    Raises:
        ValueError: If the model has no preprocessor, or carries its state
            from batch to batch.
    """
    if model.preprocessor is None:
        raise ValueError(
            "Expected a model with a preprocessor, whose tokenizer is "
            "exported with it, got preprocessor=None. Pass one to "
            "LanguageModel."
        )
    if model.backbone.carry_batch_size is not None:
        raise ValueError(
            "Expected a model for batches of any size, got one that carries "
            f"the state of {model.backbone.carry_batch_size} rows. Export "
            "model.without_carry()."
        )

    def generate(prompt, max_tokens, temperature, seed):
        text = model.sample_tensor(
            at_least_one(prompt), max_tokens, temperature, seed
        )
        return {"text": text[: tf.size(prompt)]}

    def score(text):
        log_probs, lengths = model.score_tensor(at_least_one(text))
        return {
            "log_probability": log_probs[: tf.size(text)],
            "tokens": lengths[: tf.size(text)],
        }

    options = [
        tf.TensorSpec([], tf.int32, "max_tokens"),
        tf.TensorSpec([], tf.float32, "temperature"),
        tf.TensorSpec([], tf.int32, "seed"),
    ]
    specs = {
        generate: [tf.TensorSpec([None], tf.string, "prompt"), *options],
        score: [tf.TensorSpec([None], tf.string, "text")],
    }
    signatures = {
        function.__name__: tf.function(
            function, input_signature=signature, autograph=False
        )
        for function, signature in specs.items()
    }
    return signatures, model.preprocessor.tokenizer.resources, _EXAMPLES
