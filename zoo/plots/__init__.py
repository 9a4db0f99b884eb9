"""Pictures of what a network looked at, let through and learns from."""

from zoo.plots.alignments import alignments
from zoo.plots.figure_file import check_format
from zoo.plots.gates import gates
from zoo.plots.gradient_norms import gradient_norms

__all__ = ["alignments", "check_format", "gates", "gradient_norms"]
