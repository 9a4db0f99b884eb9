"""From sentences to `Translation`s, whatever translates them."""

import tensorflow as tf

from zoo.data.translation import Translation


def translate_batches(
    function, texts, num_results=1, return_alignments=False, batch_size=32
):
    """Translates sentences, those of similar length together.

    Args:
        function: Function from a string tensor of shape `(batch_size,)` to a
            dictionary of tensors as `zoo.models.Seq2Seq.translate_tensor`
            returns it; `alignments` may be missing.
        texts: List of strings.
        num_results: Number of translations of each sentence.
        return_alignments: If true, each translation is a
            `zoo.data.Translation` instead of a string.
        batch_size: Number of sentences to translate at a time.

    Returns:
        List with a string, or a `Translation`, for each sentence; with
        `num_results` above 1 a list of them for each, best first.

    Raises:
        TypeError: If `texts` is no list of strings.
    """
    texts = as_bytes(texts)
    results = [None] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(texts), batch_size):
        rows = order[start : start + batch_size]
        found = function(tf.constant([texts[i] for i in rows], tf.string))
        found = {name: value.numpy() for name, value in found.items()}
        for position, i in enumerate(rows):
            translations = [
                _translation(found, position, k) for k in range(num_results)
            ]
            if not return_alignments:
                translations = [x.text for x in translations]
            results[i] = translations if num_results > 1 else translations[0]
    return results


def as_bytes(texts):
    """A list of sentences as bytes, whatever their characters.

    Args:
        texts: List of strings, or of bytes in UTF-8. A surrogate, which no
            text should have, becomes bytes that are not UTF-8.

    Returns:
        List of bytes.

    Raises:
        TypeError: If `texts` is a single string, or an element is none.

    Example:

    >>> as_bytes(["you", b"me"])
    [b'you', b'me']
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"Expected a list of strings, got the string {texts!r}. Put it "
            "into a list."
        )
    return [_bytes(text) for text in texts]


def _bytes(text):
    if isinstance(text, bytes):
        return bytes(text)
    if not isinstance(text, str):
        raise TypeError(
            f"Expected a list of strings, got the element {text!r} of type "
            f"{type(text).__name__}."
        )
    try:
        # What the operating system handed over as bytes is bytes again.
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _translation(found, row, k):
    """The k-th `Translation` of one sentence of a batch."""
    source = _tokens(found["source_tokens"][row])
    target = _tokens(found["target_tokens"][row, k])
    alignments = None
    if "alignments" in found:
        alignments = found["alignments"][row, k, : len(target), : len(source)]
    return Translation(
        found["text"][row, k].decode("utf-8", "replace"),
        float(found["score"][row, k]),
        source,
        target,
        alignments,
    )


def _tokens(tokens):
    """Tokens of one sentence as strings, the padding cut off."""
    return [token.decode("utf-8", "replace") for token in tokens if token]
