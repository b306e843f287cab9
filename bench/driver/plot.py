"""The picture: each row's ratio to native, on a logarithmic scale, with the goal."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot  # noqa: E402  (the backend comes first)

from columns import NATIVE  # noqa: E402
from figures import ratio  # noqa: E402

COLOURS = {"host": "#c0392b", "none": "#2471a3", "zpoline": "#7d3c98", "trap": "#e59866", "gvisor": "#839192", "uml": "#515a5a"}
MARKERS = {"host": "o", "none": "D", "zpoline": "v", "trap": "^", "gvisor": "s", "uml": "x"}


def draw(rows, columns, results, path):
    rows = [row for row in rows if NATIVE in results[row.name]]
    figure, axes = pyplot.subplots(figsize=(10, 1.5 + 0.26 * len(rows)))
    axes.axvline(1, color="black", linewidth=1)
    for column in (column for column in columns if column.key != NATIVE):
        found = [(ratio(results[row.name].get(column.key), results[row.name][NATIVE]), place) for place, row in enumerate(rows)]
        points = [point for point in found if point[0] is not None and point[0] > 0]
        if points:
            axes.scatter(*zip(*points), label=column.title, s=26, zorder=3, color=COLOURS[column.key], marker=MARKERS[column.key])
    goals = [(row.goals["host"], place) for place, row in enumerate(rows) if row.goals and row.within is None]
    published = [(row.published, place) for place, row in enumerate(rows) if row.published]
    if goals:
        axes.scatter(*zip(*goals), label="goal", s=110, marker="|", color="#27ae60", linewidths=2, zorder=2)
    if published:
        axes.scatter(*zip(*published), label="nommu UML, published", s=22, marker="+", color="#b7950b", zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("time (or memory), native = 1: to the left is better")
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="both", color="#e5e7e9", zorder=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=4, fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
