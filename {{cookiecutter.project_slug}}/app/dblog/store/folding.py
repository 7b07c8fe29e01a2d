"""This keeps an exception's row small: each cycle of a recursion is stored once, and only some frames have a source."""

from collections.abc import Sequence
from typing import Any

#: The longest cycle that is looked for, in frames.
MAX_CYCLE = 64
#: A cycle is folded if it comes this often or more.
MIN_TIMES = 3
#: How many frames of a whole chain, the innermost ones, have their source.
MAX_SOURCES = 50

Frame = dict[str, Any]


def fold_cycles(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames with each cycle once.

    The last frame of a cycle has ``cycle``, the cycle's length in frames, and ``repeated``, how often it came again.
    """
    places = [(frame["file"], frame["line"], frame["function"]) for frame in frames]
    folded: list[Frame] = []
    start = 0
    while start < len(frames):
        length, times = _cycle_at(places, start)
        folded += frames[start : start + length]
        if times > 1:
            folded[-1] = folded[-1] | {"cycle": length, "repeated": times - 1}
        start += length * times
    return folded


def _cycle_at(places: Sequence[tuple[object, ...]], start: int) -> tuple[int, int]:
    """Return length and number of the cycles that begin here and cover the most frames; 1 and 1 if there are none.

    If several lengths cover equally many frames, the shortest is returned.
    """
    found = (1, 1)
    left = len(places) - start
    for length in range(1, min(MAX_CYCLE, left // MIN_TIMES) + 1):
        same = 0
        while same < left - length and places[start + same] == places[start + same + length]:
            same += 1
        times = same // length + 1
        if times >= MIN_TIMES and length * times > found[0] * found[1]:
            found = (length, times)
        if same == left - length:
            break
    return found


def drop_sources(chain: Sequence[dict[str, Any]]) -> None:
    """Drop the source lines of all but the innermost :data:`MAX_SOURCES` frames of a chain of exceptions."""
    with_source = [frame for error in reversed(chain) for frame in reversed(error["frames"]) if "source" in frame]
    for frame in with_source[MAX_SOURCES:]:
        del frame["source"], frame["first"]
