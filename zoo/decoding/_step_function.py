"""The step function of a search: state flattened, results checked."""

import keras
from keras import ops


class StepFunction:
    """Calls a step function on flat state and holds it to its contract.

    Args:
        step: `step(tokens, state)`, returning `(logits, state)` or
            `(logits, state, alignments)`.
        initial_state: the state in the structure that `step` expects.
        end_id: int, which has to be one of the tokens.
        memory_mask: `(B, S)` or `None`: fixes the width of the alignments.
        needs_alignments: bool, whether a coverage penalty asks for them.
    """

    def __init__(
        self, step, initial_state, end_id, memory_mask, needs_alignments
    ):
        if not callable(step):
            raise TypeError(
                "`step` must be a function step(tokens, state) -> logits, "
                f"state, got {step!r}. Wrap the model in one."
            )
        self.step = step
        self.structure = initial_state
        self.end_id = end_id
        self.source_length = (
            memory_mask.shape[1] if memory_mask is not None else None
        )
        self.needs_alignments = needs_alignments

    def __call__(self, tokens, leaves):
        """Runs one step on rows of sentences or beams.

        Args:
            tokens: `(rows,)` int32, the previous tokens.
            leaves: list of tensors `(rows, ...)`, the flattened state.

        Returns:
            Tuple `(logits, leaves, alignments)`: float32 `(rows, V)`, the new
            state, and `(rows, S)` or `None`.
        """
        state = keras.tree.pack_sequence_as(self.structure, leaves)
        outputs = self.step(tokens, state)
        if not isinstance(outputs, (tuple, list)) or len(outputs) not in (2, 3):
            given = (
                f"{len(outputs)} values"
                if isinstance(outputs, (tuple, list))
                else type(outputs).__name__
            )
            raise ValueError(
                "`step` must return (logits, state) or (logits, state, "
                f"alignments), got {given}. Return the new state beside the "
                "logits, () where there is none."
            )
        rows = tokens.shape[0]
        logits = self._check_logits(outputs[0], rows)
        leaves = self._check_leaves(outputs[1], leaves)
        alignments = outputs[2] if len(outputs) == 3 else None
        if alignments is not None:
            alignments = self._check_alignments(alignments, rows)
        elif self.needs_alignments:
            raise ValueError(
                "`coverage_penalty` needs a `step` that returns (logits, "
                "state, alignments), got no alignments. Return them, or pass "
                "coverage_penalty=0."
            )
        return logits, leaves, alignments

    def _check_logits(self, logits, rows):
        logits = ops.convert_to_tensor(logits)
        shape = tuple(logits.shape)
        if len(shape) != 2 or _differ(shape[0], rows):
            raise ValueError(
                "`step` must return logits of shape [batch * beam, "
                f"vocabulary], one row for each of the {rows} tokens it was "
                f"given; got shape {shape}. Remove a time axis, flatten batch "
                "and beam."
            )
        if shape[1] is None:
            raise ValueError(
                "`step` must return logits whose vocabulary size is known, "
                f"got shape {shape}. Reshape them to a fixed last dimension."
            )
        if shape[1] <= self.end_id:
            raise ValueError(
                "`end_id` must be one of the tokens that `step` scores, 0 to "
                f"{shape[1] - 1}, got {self.end_id} and logits of shape "
                f"{shape}. Check the end token and the width of the output "
                "layer."
            )
        # Half precision would add up to errors of whole nats over a sentence.
        return ops.cast(logits, "float32")

    def _check_leaves(self, state, before):
        leaves = [ops.convert_to_tensor(x) for x in keras.tree.flatten(state)]
        if len(leaves) != len(before):
            raise ValueError(
                "`step` must return a state of the structure of "
                f"`initial_state`, {len(before)} tensors, got {len(leaves)}. "
                "Return every part of the state, changed or not."
            )
        for index, (leaf, old) in enumerate(zip(leaves, before, strict=True)):
            shapes = tuple(leaf.shape), tuple(old.shape)
            if len(shapes[0]) != len(shapes[1]) or any(
                _differ(a, b) for a, b in zip(*shapes, strict=True)
            ):
                raise ValueError(
                    "`step` must keep the shapes of the state, expected "
                    f"{shapes[1]} for tensor {index} of it, got {shapes[0]}. "
                    "Give `initial_state` the shape that `step` returns."
                )
            if leaf.dtype != old.dtype:
                raise TypeError(
                    "`step` must keep the dtypes of the state, expected "
                    f"{_dtype(old)} for tensor {index} of it, got "
                    f"{_dtype(leaf)}. Cast `initial_state`, or cast in `step`."
                )
        return leaves

    def _check_alignments(self, alignments, rows):
        alignments = ops.convert_to_tensor(alignments)
        shape = tuple(alignments.shape)
        if len(shape) != 2 or _differ(shape[0], rows):
            raise ValueError(
                "`step` must return alignments of shape [batch * beam, source "
                f"positions], one row for each of the {rows} tokens it was "
                f"given; got shape {shape}. Of several attention mechanisms "
                "return one."
            )
        if _differ(shape[1], self.source_length):
            raise ValueError(
                "`step` must return alignments as wide as `memory_mask`, "
                f"{self.source_length} source positions, got shape {shape}. "
                "Pass the mask of the memory that is attended to."
            )
        return alignments


def _differ(size, other):
    """Whether two static dimensions, `None` where unknown, contradict."""
    return size is not None and other is not None and size != other


def _dtype(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)
