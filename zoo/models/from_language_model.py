"""A decoder that starts out as a language model of its target language."""

import numpy as np
from keras import ops

from zoo.layers import StackedRNNCells
from zoo.models.seq2seq_backbone import Seq2SeqBackbone


class StartsFromLanguageModel:
    """Mixin of a task: a decoder made from a language model."""

    @classmethod
    def from_language_model(
        cls, language_model, preprocessor, backbone=None, **kwargs
    ):
        """Makes a model whose decoder writes as a language model does.

        Embeddings, softmax and recurrent weights of the decoder are copies of
        the language model's. What a decoder has besides, the kernels of the
        attention it is fed and of the context in its output, starts at zero,
        so that before any training, and from a state of zeros, the decoder
        predicts what the language model predicts; training adds the source.
        As a language model reads the end of one text as the start of the
        next, the start token's embedding is that of the end token (and so,
        tied, its logit, which no decoder takes).

        Gulcehre et al., "On Using Monolingual Corpora in Neural Machine
        Translation" (2015), https://arxiv.org/abs/1503.03535, join the two by
        a layer more; Ramachandran, Liu & Le, "Unsupervised Pretraining for
        Sequence to Sequence Learning" (2017),
        https://arxiv.org/abs/1611.02683, section 2, by these weights.

        Args:
            language_model: A `zoo.models.LanguageModel` of plain LSTM layers,
                all as wide as its embeddings.
            preprocessor: A `Seq2SeqPreprocessor` whose `tokenizer` has the
                vocabulary of the language model.
            backbone: Dictionary of arguments of `Seq2SeqBackbone` that are
                not given by the language model, such as `encoder_units`.
            **kwargs: Further arguments of the task.

        Returns:
            The model.

        Raises:
            ValueError: If the language model's layers are of another kind or
                width, or the vocabularies differ.

        Example:

        >>> from zoo.data import CharacterTokenizer
        >>> from zoo.models import LanguageModel, LanguageModelBackbone
        >>> from zoo.models import Seq2Seq, Seq2SeqPreprocessor
        >>> tokenizer = CharacterTokenizer.train(["hello"])
        >>> writer = LanguageModel(
        ...     LanguageModelBackbone(tokenizer.vocabulary_size(), units=8))
        >>> source = CharacterTokenizer.train(["你好"])
        >>> model = Seq2Seq.from_language_model(
        ...     writer, Seq2SeqPreprocessor(source, tokenizer),
        ...     backbone={"encoder_units": 5})
        >>> model.backbone.decoder_units
        8
        """
        writer = language_model.backbone
        _check(writer, preprocessor)
        settings = {
            "embedding_dim": writer.embedding_dim,
            "decoder_units": writer.units[0],
            "num_decoder_layers": len(writer.units),
            "tie_embeddings": writer.tie_embeddings,
            "softmax_bias": True,
            "output_activation": None,
            "project_output": False,
        }
        given = set(settings) & set(backbone or {})
        if given:
            raise ValueError(
                "Expected in `backbone` what the language model leaves open, "
                f"got {', '.join(sorted(given))}. Leave these out."
            )
        made = Seq2SeqBackbone(
            preprocessor.source_tokenizer.vocabulary_size(),
            writer.vocabulary_size,
            **settings,
            **(backbone or {}),
        )
        _copy(writer, made, preprocessor.tokenizer)
        return cls(made, preprocessor, **kwargs)


def _check(writer, preprocessor):
    if writer.mogrifier_rounds or {*writer.units} != {writer.embedding_dim}:
        raise ValueError(
            "Expected a language model of plain LSTM layers, all as wide as "
            f"its embeddings, got units={writer.units}, embedding_dim="
            f"{writer.embedding_dim} and mogrifier_rounds="
            f"{writer.mogrifier_rounds}. Train one of that form."
        )
    size = preprocessor.tokenizer.vocabulary_size()
    if size != writer.vocabulary_size:
        raise ValueError(
            "Expected the tokenizer that the language model was trained with, "
            f"of {writer.vocabulary_size} tokens, got one of {size}. Give its "
            "preprocessor.tokenizer."
        )


def _copy(writer, made, tokenizer):
    """Copies the language model's weights; zeros what they leave open."""
    embedding = made.token_embedding
    embedding.set_weights(writer.token_embedding.get_weights())
    values = ops.convert_to_numpy(embedding.embeddings)
    values[tokenizer.start_token_id] = values[tokenizer.end_token_id]
    embedding.embeddings.assign(values)
    if made.attention is None:
        cell = made.decoder.cell
    else:
        cell = made.decoder.attention_cell.cell
        _show_only_the_cell(made.decoder.attention_cell, writer.units[-1])
    cells = cell.cells if isinstance(cell, StackedRNNCells) else [cell]
    for layer, cell in zip(writer.lstm_layers, cells, strict=True):
        kernel = np.zeros(cell.kernel.shape, "float32")
        given = ops.convert_to_numpy(layer.cell.kernel)
        kernel[: len(given)] = given  # the attention is fed below the inputs
        cell.kernel.assign(kernel)
        cell.recurrent_kernel.assign(layer.cell.recurrent_kernel)
        cell.bias.assign(layer.cell.bias)


def _show_only_the_cell(attention_cell, units):
    """Makes the output of an attention cell that of the cell within."""
    weight = attention_cell.attention_kernel
    if weight is None:
        weight = attention_cell.attention_layer.kernel
    kernel = np.zeros(weight.shape, "float32")
    kernel[:units] = np.eye(units)
    weight.assign(kernel)
