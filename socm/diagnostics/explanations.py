"""What each diagnostic means at more length, kept in explanations.md under one heading a code."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def explained_codes() -> dict[str, str]:
    """Return the explanation of every code, in the order of explanations.md."""
    text = resources.files("socm.diagnostics").joinpath("explanations.md").read_text("utf-8")
    sections = text.split("\n## ")[1:]
    pairs = (section.split("\n", 1) for section in sections)
    return {code.strip(): body.strip() + "\n" for code, body in pairs}
