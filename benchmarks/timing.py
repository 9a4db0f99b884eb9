"""Times of functions that take turns, and the machine they were taken on."""

import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import statistics
import time

PACKAGES = ("tensorflow", "keras", "torch")


def take_turns(functions, repeats=15, seconds=0.2):
    """Times functions against each other on a machine that may be busy.

    In every round each function has one turn: one call that is not timed, so
    that it finds the caches as its own calls leave them, then as many as fill
    `seconds`. What slows the machine for a while slows neighbours in a round
    alike, and the median over the rounds forgets it.

    Args:
        functions: Dict from names to functions without arguments, which
            return when their work is done.
        repeats: Number of rounds, a positive integer.
        seconds: Length of a turn, about.

    Returns:
        Dict from names to the median of the seconds that a call took.
    """
    calls = {}
    for name, function in functions.items():
        # compilation and first allocations
        function()
        function()
        calls[name] = max(1, round(seconds / _seconds_a_call(function, 1)))
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            function()
            times[name].append(_seconds_a_call(function, calls[name]))
    return {name: statistics.median(taken) for name, taken in times.items()}


def _seconds_a_call(function, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def machine():
    """Processor, number of cores and versions, in one line."""
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in PACKAGES
        if importlib.util.find_spec(name)
    ]
    cores = len(os.sched_getaffinity(0))
    return ", ".join([f"{_processor()} ({cores} cores)", *versions])


def _processor():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def markdown_table(header, rows):
    """A table in Markdown; cells are strings."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
