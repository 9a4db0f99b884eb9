"""The signatures of a model that translates."""

import tensorflow as tf

from zoo.saving.empty_batches import at_least_one

BEAM_WIDTH = 5
_EXAMPLES = [
    {"text": ["我爱中国", "", "I", " ", "他在等你。" * 50]},
    {"text": ["他"]},
    {"text": []},
]


def translation_signatures(model):
    """Makes the functions that a SavedModel of a translator offers.

    Args:
        model: A `zoo.models.Seq2Seq` with a preprocessor.

    Returns:
        `(signatures, resources, examples)`: a dict from a name to a
        `tf.function`; what the exported module must hold for their tables to
        go along; and a dict from a name to inputs worth trying.

    Raises:
        ValueError: If the model has no preprocessor.
    """
    preprocessor = model.preprocessor
    if preprocessor is None:
        raise ValueError(
            "Expected a model with a preprocessor, whose tokenizers are "
            "exported with it, got preprocessor=None. Pass one to Seq2Seq."
        )

    def find(text, **options):
        rows = tf.shape(text)[0]
        found = model.translate_tensor(at_least_one(text), **options)
        return {name: value[:rows] for name, value in found.items()}

    def best(text, **options):
        found = find(text, **options)
        return {name: found[name][:, 0] for name in ("text", "score")}

    def serving_default(text):
        return best(text, beam_width=BEAM_WIDTH, num_results=1)

    def greedy(text):
        return best(text, beam_width=1)

    def nbest(text):
        found = find(text, beam_width=BEAM_WIDTH, num_results=BEAM_WIDTH)
        return {name: found[name] for name in ("text", "score")}

    def translate_with_alignments(text):
        found = find(text, beam_width=BEAM_WIDTH, num_results=1)
        return {
            name: value if name == "source_tokens" else value[:, 0]
            for name, value in found.items()
        }

    def tokenize(text):
        return {
            "tokens": preprocessor.source_tokens(text),
            "ids": preprocessor.encode_source(text)["encoder_token_ids"],
        }

    functions = [serving_default, greedy, nbest, tokenize]
    if model.backbone.attention is not None:
        functions.append(translate_with_alignments)
    signatures = {
        function.__name__: tf.function(
            function,
            input_signature=[tf.TensorSpec([None], tf.string, name="text")],
            autograph=False,
        )
        for function in functions
    }
    resources = [
        *preprocessor.source_tokenizer.resources,
        *preprocessor.tokenizer.resources,
    ]
    return signatures, resources, dict.fromkeys(signatures, _EXAMPLES)
