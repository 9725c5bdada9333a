"""A network as a picture in SVG: rows of boxes, each below everything that it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from socm.graph.network import Network, Node, reduced

BOX_HEIGHT_PX, GAP_X_PX, GAP_Y_PX, MARGIN_PX = 44, 24, 46, 16
NAME_CHARACTER_PX, TEXT_CHARACTER_PX = 7.9, 6.7
"""Widths of a character in the monospaced fonts of 13 and 11 px."""

_STYLE = """
rect { fill: #f6f8fa; stroke: #57606a } path { fill: none; stroke: #57606a }
polygon { fill: #57606a } .waits { stroke-dasharray: 5 4 }
text { font: 13px monospace; fill: #1f2328; text-anchor: middle } .few { font-size: 11px; fill: #57606a }
@media (prefers-color-scheme: dark) {
  rect { fill: #21262d; stroke: #8b949e } path { stroke: #8b949e } polygon { fill: #8b949e }
  text { fill: #e6edf3 } .few { fill: #8b949e }
}
"""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is drawn, px."""

    left: float
    top: float
    width: float

    @property
    def middle(self) -> float:
        """The middle from left to right."""
        return self.left + self.width / 2


def svg_text(network: Network) -> str:
    """Return the picture of a network, without the edges that longer ways already stand for."""
    small = reduced(network)
    rows = rows_of(small)
    boxes = _boxes(small, rows)
    width = max((box.left + box.width for box in boxes.values()), default=0) + MARGIN_PX
    height = max((box.top + BOX_HEIGHT_PX for box in boxes.values()), default=0) + MARGIN_PX
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{_STYLE}</style>"]
    for before, after in small.edges:
        lines += _arrow(boxes[before], boxes[after])
    for node in small.nodes:
        lines += _box(node, boxes[node.name])
    return "\n".join([*lines, "</svg>"]) + "\n"


def rows_of(network: Network) -> list[list[str]]:
    """Return the names of nodes in rows, each below all it waits for, near to what is above it."""
    depth: dict[str, int] = {}
    for name in network.in_order:
        depth[name] = max((depth[other] + 1 for other in network.before[name]), default=0)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in network.nodes:
        rows[depth[node.name]].append(node.name)
    place: dict[str, float] = {}
    for row in rows:
        for number, name in enumerate(row):
            above = [place[other] for other in network.before[name]]
            place[name] = sum(above) / len(above) if above else number / len(row)
        row.sort(key=place.__getitem__)
        place |= {name: (number + 0.5) / len(row) for number, name in enumerate(row)}
    return rows


def _boxes(network: Network, rows: Sequence[Sequence[str]]) -> dict[str, Box]:
    widths = {node.name: _width(node) for node in network.nodes}
    row_widths = [sum(widths[name] for name in row) + GAP_X_PX * (len(row) - 1) for row in rows]
    boxes: dict[str, Box] = {}
    for number, row in enumerate(rows):
        left = MARGIN_PX + (max(row_widths) - row_widths[number]) / 2
        for name in row:
            boxes[name] = Box(left, MARGIN_PX + number * (BOX_HEIGHT_PX + GAP_Y_PX), widths[name])
            left += widths[name] + GAP_X_PX
    return boxes


def _width(node: Node) -> float:
    return max(len(node.name) * NAME_CHARACTER_PX, len(node.text) * TEXT_CHARACTER_PX) + 20


def _arrow(before: Box, after: Box) -> Iterator[str]:
    x1, y1, x2, y2 = before.middle, before.top + BOX_HEIGHT_PX, after.middle, after.top
    turn = (y1 + y2) / 2
    yield f'<path d="M{x1:.1f} {y1:.1f} C{x1:.1f} {turn:.1f} {x2:.1f} {turn:.1f} {x2:.1f} {y2 - 6:.1f}"/>'
    head = f"{x2 - 4:.1f},{y2 - 7:.1f} {x2 + 4:.1f},{y2 - 7:.1f} {x2:.1f},{y2:.1f}"
    yield f'<polygon points="{head}"/>'


def _box(node: Node, box: Box) -> Iterator[str]:
    attributes: Mapping[str, str] = {
        "class": "waits" if node.waits else "known",
        "x": f"{box.left:.1f}",
        "y": f"{box.top:.1f}",
        "width": f"{box.width:.1f}",
        "height": str(BOX_HEIGHT_PX),
        "rx": "5",
    }
    yield f"<rect {' '.join(f'{name}={value!r}' for name, value in attributes.items())}/>".replace("'", '"')
    yield f'<text x="{box.middle:.1f}" y="{box.top + 19:.1f}">{escape(node.name)}</text>'
    yield f'<text class="few" x="{box.middle:.1f}" y="{box.top + 35:.1f}">{escape(node.text)}</text>'
