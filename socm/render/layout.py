"""Snakefile text as snakefmt lays it out: literals, and calls that break where a line gets long."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

LINE_COLUMNS = 88
INDENT = "    "
VALUE_INDENT = 2 * INDENT
"""Where the values of a rule's directive stand."""
_NOT_IN_YAML = re.compile(
    "[^ -~\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call in a directive: a function and its arguments, each text or a call again."""

    function: str
    arguments: tuple[str | Call, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


def python_literal(text: str) -> str:
    """Return `text` as a Python string literal, in the quotes that need fewer escapes."""
    double = json.dumps(text, ensure_ascii=False)
    if text.count('"') <= text.count("'"):
        return double
    body = double[1:-1].replace("'", "\\'").replace('\\"', '"')
    return f"'{body}'"


def printable_text(text: str) -> str:
    """Return `text` on one line, as a comment has it: escapes for line breaks and what isn't seen."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def yaml_literal(text: str) -> str:
    """Return `text` as a YAML string literal on one line."""
    # JSON leaves as they are what YAML forbids, and what it takes for the end of a line.
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def named_value(name: str, value: str | Call) -> str:
    """Return ``name=value`` of a directive, broken into lines where it is too long for one."""
    return _laid_out(f"{name}=", value, VALUE_INDENT, LINE_COLUMNS)


def broken_value(value: str | Call) -> str:
    """Return a directive's only value, broken into lines where it is too long for one."""
    return _laid_out("", value, VALUE_INDENT, LINE_COLUMNS)


def _laid_out(before: str, value: str | Call, indent: str, columns: int) -> str:
    if isinstance(value, str) or len(f"{indent}{before}{value}") <= columns:
        return f"{before}{value}"
    inner = indent + INDENT
    # The comma that follows an argument on a line of its own counts.
    arguments = ", ".join(map(str, value.arguments))
    if len(f"{inner}{arguments}") < LINE_COLUMNS:
        return f"{before}{value.function}(\n{inner}{arguments}\n{indent})"
    lines = [f"{inner}{_laid_out('', one, inner, LINE_COLUMNS - 2)},\n" for one in value.arguments]
    return f"{before}{value.function}(\n{''.join(lines)}{indent})"
