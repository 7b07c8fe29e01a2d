"""Bars for inline SVG: numbers only, so that the pages need no style attribute and no script."""

from collections.abc import Sequence

from .counts import Bar

#: Height of a chart in its own units; the page scales it.
HEIGHT = 100


def stacks(bars: Sequence[Bar]) -> list[list[tuple[int, float, float]]]:
    """Return for each bar its levels, each with its place, measured from the top, and its height.

    The highest level is at the bottom; a bar that is not empty is at least visible.
    """
    tallest = max((bar.levels.total() for bar in bars), default=0) or 1
    result = []
    for bar in bars:
        blocks = []
        y = float(HEIGHT)
        for level, count in sorted(bar.levels.items(), reverse=True):
            height = max(count / tallest * HEIGHT, 2.0)
            y = max(y - height, 0.0)
            blocks.append((level, round(y, 1), round(height, 1)))
        result.append(blocks)
    return result


def heights(counts: Sequence[int]) -> list[float]:
    """Return the heights of bars that are not divided by level."""
    tallest = max(counts, default=0) or 1
    return [round(max(count / tallest * HEIGHT, 6.0), 1) if count else 0.0 for count in counts]
