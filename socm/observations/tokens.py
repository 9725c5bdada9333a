"""A query as tokens: what stands in parentheses is a list of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"""
    \s+ | --[^\n]* | /\*.*?\*/
    | (?P<text>'(?:[^']|'')*')
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<quoted>`(?:[^`]|``)*` | \[[^\]]*\])
    | (?P<name>[^\W\d]\w*(?:\.\w+)*)
    | (?P<mark>\|\||<<|>>|<=|>=|<>|!=|==|.)
    """,
    re.VERBOSE | re.DOTALL,
)
ORDERS = frozenset({"<", "<=", ">", ">="})
EQUALS = frozenset({"=", "==", "!=", "<>"})
PATTERNS = frozenset({"LIKE", "GLOB", "REGEXP", "MATCH"})
OPERATORS = ORDERS | EQUALS | PATTERNS | {"IS", "IN", "BETWEEN", "ISNULL", "NOTNULL", "ESCAPE"}
BREAKS = frozenset(
    {"AND", "OR", "NOT", "CASE", "WHEN", "THEN", "ELSE", "END", ",", "SELECT", "DISTINCT", "FROM", "WHERE"}
    | {"JOIN", "ON", "USING", "AS", "GROUP", "ORDER", "BY", "HAVING", "LIMIT", "UNION"}
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a query; `text` is what it says, without quotes."""

    kind: Literal["text", "number", "name", "word", "mark"]
    text: str


Node = Token | list["Node"]


def nested(query: str) -> list[Node]:
    """Return the tokens of a query, what stands in parentheses as a list of its own."""
    stack: list[list[Node]] = [[]]
    for match in _TOKEN.finditer(query):
        kind, text = match.lastgroup, match[0]
        if kind == "mark" and text == "(":
            stack.append([])
        elif kind == "mark" and text == ")" and len(stack) > 1:
            group = stack.pop()
            stack[-1].append(group)
        elif kind == "text":
            stack[-1].append(Token("text", text[1:-1].replace("''", "'")))
        elif kind == "number":
            stack[-1].append(Token("number", text))
        elif kind == "quoted":
            stack[-1].append(Token("name", text[1:-1].replace("``", "`")))
        elif kind == "name":
            stack[-1].append(Token("word", text))
        elif kind == "mark":
            stack[-1].append(Token("mark", text))
    return stack[0]


def word_of(node: Node | None) -> str:
    """Return a keyword or a mark in capitals; empty for all else."""
    return node.text.upper() if isinstance(node, Token) and node.kind in {"word", "mark"} else ""


def segments(nodes: Sequence[Node]) -> Iterator[tuple[str, list[Node]]]:
    """Yield the parts between AND, OR and the like, each with the one before it; a BETWEEN keeps its AND."""
    opener = ""
    segment: list[Node] = []
    open_betweens = 0
    for index, node in enumerate(nodes):
        word = word_of(node)
        after = word_of(nodes[index + 1]) if index + 1 < len(nodes) else ""
        if word == "NOT" and (after in OPERATORS | {"NULL"} or (segment and word_of(segment[-1]) == "IS")):
            continue
        if word == "BETWEEN":
            open_betweens += 1
        if word == "AND" and open_betweens:
            open_betweens -= 1
        elif word in BREAKS:
            yield opener, segment
            opener, segment = word, []
            continue
        segment.append(node)
    yield opener, segment


def written(nodes: Sequence[Node]) -> str:
    """Return tokens as a query has them."""
    words = []
    for node in nodes:
        if isinstance(node, list):
            words.append(f"({written(node)})")
        else:
            words.append(f"'{node.text}'" if node.kind == "text" else node.text)
    return " ".join(words)


def ids_asked_for(query: str) -> Iterator[str]:
    """Yield each obs_id that a query (normalised) asks for by name, with = or IN."""
    yield from _ids_in(nested(query))


def _ids_in(nodes: Sequence[Node]) -> Iterator[str]:
    words = ["", *map(word_of, nodes), "", ""]
    for index, node in enumerate(nodes):
        if isinstance(node, list):
            yield from _ids_in(node)
        elif (
            node.text.lower().removeprefix("obs.") == "obs_id"
            and words[index] != "NOT"
            and words[index + 2] in {"=", "==", "IN"}
        ):
            asked = nodes[index + 2 : index + 3]
            inside = asked[0] if asked and isinstance(asked[0], list) else asked
            yield from (one.text for one in inside if isinstance(one, Token) and one.kind == "text")
