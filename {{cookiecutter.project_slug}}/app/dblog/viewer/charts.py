"""Bars for inline SVG: numbers only, so that the pages need no style attribute and no script."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from .counts import Bar

#: Height of a chart in its own units; the page scales it.
HEIGHT = 100
#: The distance from one bar to the next, and the width that is drawn, in the chart's own units.
STEP, DRAWN = 10, 8


def paths(bars: Sequence[Bar]) -> list[tuple[int, str]]:
    """Return for each level, the highest first, one path of its blocks in all the bars: few elements draw quickly.

    The highest level is at the bottom of a bar. A block with any record is high enough to be seen.
    """
    tallest = max((bar.levels.total() for bar in bars), default=0) or 1
    blocks = defaultdict(list)
    for number, bar in enumerate(bars):
        y = float(HEIGHT)
        for level, count in sorted(bar.levels.items(), reverse=True):
            height = max(count / tallest * HEIGHT, 2.0)
            y = max(y - height, 0.0)
            blocks[level].append(f"M{number * STEP + 1} {y:.1f}h{DRAWN}v{height:.1f}h-{DRAWN}z")
    return [(level, "".join(parts)) for level, parts in sorted(blocks.items(), reverse=True)]


def heights(counts: Sequence[int]) -> list[float]:
    """Return the heights of bars that are not divided by level."""
    tallest = max(counts, default=0) or 1
    return [round(max(count / tallest * HEIGHT, 6.0), 1) if count else 0.0 for count in counts]


#: A bar in the small chart of a list: its width, the distance to the next bar, and its greatest height, in pixels.
BAR_WIDTH, BAR_STEP, BAR_HEIGHT = 3, 4, 22


def bars(counts: Sequence[int]) -> str:
    """Return the small chart as one path, which is sent and drawn faster than a rectangle for each day."""
    tallest = max(counts, default=0)
    drawn = []
    for place, count in enumerate(counts):
        if count:
            height = max(round(count / tallest * BAR_HEIGHT), 2)
            drawn.append(f"M{place * BAR_STEP} {BAR_HEIGHT}v-{height}h{BAR_WIDTH}v{height}z")
    return "".join(drawn)


def marks(places: Iterable[float]) -> str:
    """Return the path of upright lines through a small chart.

    :param places: where each line is, in bars from the chart's start
    """
    xs = {round(place * BAR_STEP) + 0.5 for place in places if place >= 0}
    return "".join(f"M{x} 0v{BAR_HEIGHT}" for x in sorted(xs))
