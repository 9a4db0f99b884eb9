"""Search for token sequences under any step function."""

from zoo.decoding.beam_search import beam_search
from zoo.decoding.greedy_search import greedy_search
from zoo.decoding.penalties import coverage_penalty
from zoo.decoding.penalties import length_penalty
from zoo.decoding.sample import sample
from zoo.decoding.search_result import BeamSearchResult

__all__ = [
    "BeamSearchResult",
    "beam_search",
    "coverage_penalty",
    "greedy_search",
    "length_penalty",
    "sample",
]
