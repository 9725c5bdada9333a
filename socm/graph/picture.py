"""A network as text: a tree for the terminal, Graphviz, Mermaid, and a picture that needs no program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from socm.graph.drawing import svg_text
from socm.graph.network import Network, reduced


def tree_text(network: Network) -> str:
    """Return the network as a tree from what is done first; what has several parents stands with the last.

    The others point to it with an arrow.
    """
    small = reduced(network)
    position = {name: number for number, name in enumerate(small.in_order)}
    nodes = {node.name: node for node in small.nodes}
    home = {name: max(before, key=position.__getitem__) for name, before in small.before.items() if before}
    lines: list[str] = []
    todo: list[tuple[str, str, str, str | None]] = [
        (name, "", "", None) for name in reversed(nodes) if name not in home
    ]
    while todo:
        name, lead, branch, parent = todo.pop()
        if home.get(name) != parent:
            lines.append(f"{lead}{branch}→ {name}")
            continue
        lines.append(f"{lead}{branch}{name}  ({nodes[name].text})")
        below = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        after = small.after[name]
        todo += [(other, below, "└─ " if other == after[-1] else "├─ ", name) for other in reversed(after)]
    return "\n".join(lines) + "\n"


def dot_text(network: Network) -> str:
    """Return the network for Graphviz."""
    lines = ["digraph campaign {", '  node [shape=box, fontname="sans-serif"];']
    for node in network.nodes:
        style = ", style=dashed" if node.waits else ""
        label = _quoted(node.name + "\n" + node.text)
        lines.append(f"  {_quoted(node.name)} [label={label}{style}];")
    lines += [f"  {_quoted(before)} -> {_quoted(after)};" for before, after in network.edges]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid_text(network: Network) -> str:
    """Return the network for Mermaid, which Markdown pages draw."""
    number = {node.name: index for index, node in enumerate(network.nodes)}
    lines = ["flowchart TD"]
    for node in network.nodes:
        text = f"{node.name}<br/>{node.text}".replace('"', "#quot;")
        lines.append(f'  n{number[node.name]}["{text}"]')
        if node.waits:
            lines.append(f"  style n{number[node.name]} stroke-dasharray: 5 5")
    lines += [f"  n{number[before]} --> n{number[after]}" for before, after in network.edges]
    return "\n".join(lines) + "\n"


def json_text(network: Network) -> str:
    """Return the network as JSON."""
    content = {
        "nodes": [{"name": node.name, "jobs": node.jobs, "waits": node.waits} for node in network.nodes],
        "edges": [list(edge) for edge in network.edges],
    }
    return json.dumps(content, indent=1) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


FORMATS: Mapping[str, Callable[[Network], str]] = {
    "text": tree_text,
    "dot": dot_text,
    "svg": svg_text,
    "mermaid": mermaid_text,
    "json": json_text,
}
"""What a network can be written as."""
