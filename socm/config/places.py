"""Where each key of a TOML document is written, to the character.

The reader of the values (tomli) keeps no positions, so the document is read a second time with
tree-sitter, when a place is first asked for. Without the `diagnostics` extra nothing is found.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli

from socm.diagnostics import KeyPath

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one line: line and column count from 1, in characters."""

    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is written: its own text, its value, and for a table its header."""

    key: Span
    value: Span
    is_table: bool = False


def find_places(text: str) -> dict[KeyPath, KeyPlace]:
    """Return the place of each key, list entry and table of a TOML document.

    A table without a header of its own has the place of the first key that makes it. The result is
    empty where tree-sitter isn't installed.
    """
    try:
        import tree_sitter
        import tree_sitter_toml
    except ImportError:
        return {}
    language = tree_sitter.Language(tree_sitter_toml.language())
    source = text.encode()
    # Carriage returns alone end no line in TOML, so that only \n counts, as in the printed excerpt.
    root = tree_sitter.Parser(language).parse(source).root_node
    return _Walk(source).document(root)


class _Walk:
    """Walks the syntax tree of one document and notes each key it passes."""

    def __init__(self, source: bytes) -> None:
        self.lines = source.split(b"\n")
        self.places: dict[KeyPath, KeyPlace] = {}
        self.list_lengths: dict[KeyPath, int] = {}

    def document(self, root: Node) -> dict[KeyPath, KeyPlace]:
        for node in root.children:
            if node.type == "pair":
                self.pair(node, ())
            elif node.type in {"table", "table_array_element"}:
                self.table(node)
        return self.places

    def table(self, node: Node) -> None:
        header = next((child for child in node.named_children if child.type.endswith("key")), None)
        if header is None:
            return
        *parents, (last, last_node) = self.key_parts(header)
        path: KeyPath = ()
        for name, part in parents:
            path = (*path, name)
            self.places.setdefault(path, KeyPlace(self.span(part), self.span(part), is_table=True))
            if path in self.list_lengths:
                path = (*path, self.list_lengths[path] - 1)
        path = (*path, last)
        place = KeyPlace(self.span(last_node), self.span(header), is_table=True)
        if node.type == "table_array_element":
            self.places.setdefault(path, place)
            index = self.list_lengths.get(path, 0)
            self.list_lengths[path] = index + 1
            path = (*path, index)
        self.places[path] = place
        for child in node.named_children:
            if child.type == "pair":
                self.pair(child, path)

    def pair(self, node: Node, prefix: KeyPath) -> None:
        parts = [child for child in node.named_children if child.type != "comment"]
        if len(parts) < 2:
            return
        key, value = parts[0], parts[-1]
        *parents, (last, last_node) = self.key_parts(key)
        path = prefix
        for name, part in parents:
            path = (*path, name)
            self.places.setdefault(path, KeyPlace(self.span(part), self.span(part), is_table=True))
        path = (*path, last)
        self.places[path] = KeyPlace(self.span(last_node), self.span(value))
        self.inside(value, path)

    def inside(self, value: Node, path: KeyPath) -> None:
        if value.type == "inline_table":
            for child in value.named_children:
                if child.type == "pair":
                    self.pair(child, path)
        elif value.type == "array":
            entries = [child for child in value.named_children if child.type != "comment"]
            for index, child in enumerate(entries):
                span = self.span(child)
                self.places[(*path, index)] = KeyPlace(span, span)
                self.inside(child, (*path, index))

    def key_parts(self, node: Node) -> list[tuple[str, Node]]:
        return [(self.key_text(part), part) for part in _simple_keys(node)]

    def key_text(self, node: Node) -> str:
        text = (node.text or b"").decode("utf-8", "replace")
        if node.type != "quoted_key":
            return text
        with contextlib.suppress(tomli.TOMLDecodeError):
            parsed: dict[str, Any] = tomli.loads(f"{text} = 0")
            return next(iter(parsed))
        return text

    def span(self, node: Node) -> Span:
        row, start = node.start_point
        end_row, end = node.end_point
        line = self.lines[row]
        stop = end if end_row == row else len(line.removesuffix(b"\r"))
        return Span(row + 1, _characters(line[:start]) + 1, max(_characters(line[start:stop]), 1))


def _simple_keys(node: Node) -> Iterator[Node]:
    if node.type == "dotted_key":
        for child in node.named_children:
            yield from _simple_keys(child)
    else:
        yield node


def _characters(piece: bytes) -> int:
    return len(piece.decode("utf-8", "replace"))
