"""Every code that socm can print is explained, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from socm.diagnostics import explained_codes

MAKERS = re.compile(
    r"(.*\.)?(Diagnostic|invalid|problem|warning|PydanticCustomError)|DiagnosticError\.of|.*problems\.(error|note)"
)


def codes_in(source: str) -> Iterator[str]:
    """Yield the texts in the place of a code: the first argument, or `code`, of what makes diagnostics.

    Of a code that is put together (f"absent-{part}") it is the part that is known.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        maker = ast.unparse(node.func)
        if not MAKERS.fullmatch(maker) or "logger" in maker:
            continue
        named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        for argument in named or node.args[:1]:
            for part in ast.walk(argument):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def codes_used(checkout: Path) -> set[str]:
    return {
        code
        for file in sorted((checkout / "socm").rglob("*.py"))
        for code in codes_in(file.read_text(encoding="utf-8"))
    }


def test_every_code_is_explained(checkout: Path) -> None:
    known = explained_codes()
    missing = {
        code
        for code in codes_used(checkout)
        if code not in known and not (code.endswith("-") and any(name.startswith(code) for name in known))
    }
    assert not missing, "say more about these in socm/diagnostics/explanations.md"


def test_nothing_is_explained_that_is_never_said(checkout: Path) -> None:
    used = codes_used(checkout)
    openings = tuple(code for code in used if code.endswith("-"))
    assert not {code for code in explained_codes() if code not in used and not code.startswith(openings)}


def test_explanations_are_sorted_and_more_than_a_line() -> None:
    codes = explained_codes()
    assert list(codes) == sorted(codes)
    assert [code for code, text in codes.items() if len(text.split()) < 12] == []
