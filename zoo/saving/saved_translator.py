"""A translator that only its SavedModel is left of."""

import functools

import tensorflow as tf

from zoo.data.translate_batches import translate_batches

_ALIGNMENTS = "translate_with_alignments"


class SavedTranslator:
    """Translates with a SavedModel that `zoo.export` wrote.

    It has the `translate` of `zoo.models.Seq2Seq`, as far as the signatures
    reach: their beam width, or 1 for greedy search, and the length penalty
    that the model was exported with.

    Args:
        folder: string or path of the SavedModel.

    Raises:
        ValueError: If the SavedModel is no translator's.

    Example:

    >>> folder = zoo.saving.find_model("zh_en").saved_model
    >>> SavedTranslator(folder).translate(["我爱中国"])
    ['I love China.']
    """

    def __init__(self, folder):
        # Variables live as long as what was loaded.
        self._loaded = tf.saved_model.load(str(folder))
        self._signatures = self._loaded.signatures
        missing = {"serving_default", "greedy", "nbest"} - {*self._signatures}
        if missing:
            raise ValueError(
                "Expected a SavedModel that zoo.export wrote of a translator, "
                f"got {folder} without the signatures {sorted(missing)}. Call "
                "its signatures through tf.saved_model.load."
            )
        nbest = self._signatures["nbest"].structured_outputs["text"]
        self.beam_width = nbest.shape[1]

    def translate(
        self,
        texts,
        beam_width=None,
        length_penalty=None,
        max_length=None,
        num_results=1,
        return_alignments=False,
        batch_size=32,
    ):
        """Translates sentences.

        Args:
            texts: List of strings.
            beam_width: The width of the model's signatures, which is also
                the default, or 1 for greedy search.
            length_penalty: Only `None`, the model's own.
            max_length: Only `None`, the model's own.
            num_results: Number of translations of each sentence, at most
                `beam_width`.
            return_alignments: If true, each translation is a
                `zoo.data.Translation`. With greedy search or several results
                it lacks tokens and alignments: no signature has them.
            batch_size: Number of sentences to translate at a time.

        Returns:
            As of `zoo.models.Seq2Seq.translate`.

        Raises:
            TypeError: If `texts` is a single string.
            ValueError: If an argument asks for what no signature does.
        """
        beam_width = beam_width or self.beam_width
        self._check(beam_width, length_penalty, max_length, num_results)
        name = "serving_default"
        if beam_width == 1:
            name = "greedy"
        elif num_results > 1:
            name = "nbest"
        elif return_alignments and _ALIGNMENTS in self._signatures:
            name = _ALIGNMENTS
        return translate_batches(
            functools.partial(self._call, name),
            texts,
            num_results,
            return_alignments,
            batch_size,
        )

    def _call(self, name, text):
        """What `Seq2Seq.translate_tensor` returns, from a signature."""
        found = dict(self._signatures[name](text=text))
        if name != "nbest":
            found = {
                key: value if key == "source_tokens" else value[:, None]
                for key, value in found.items()
            }
        none = found["text"][:, :, None][:, :, :0]
        return {"source_tokens": none[:, 0], "target_tokens": none, **found}

    def _check(self, beam_width, length_penalty, max_length, num_results):
        if beam_width not in (1, self.beam_width):
            raise ValueError(
                "Expected a beam width that this SavedModel has a signature "
                f"for, {self.beam_width} or 1, got {beam_width}. Other widths "
                "need the model's preset."
            )
        for name, value in (
            ("length_penalty", length_penalty),
            ("max_length", max_length),
        ):
            if value is not None:
                raise ValueError(
                    f"Expected {name}=None, for what the SavedModel was "
                    f"exported with, got {value}. Other values need the "
                    "model's preset."
                )
        if not 1 <= num_results <= beam_width:
            raise ValueError(
                f"Expected num_results from 1 to the beam width {beam_width}, "
                f"got {num_results}."
            )
