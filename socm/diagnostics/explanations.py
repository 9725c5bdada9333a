"""What each diagnostic means at more length, kept in explanations.md under one heading a code."""

from __future__ import annotations

from functools import cache
from importlib import resources

from socm.diagnostics.model import nearest_name


@cache
def explained_codes() -> dict[str, str]:
    """Return the explanation of every code, in the order of explanations.md."""
    text = resources.files("socm.diagnostics").joinpath("explanations.md").read_text("utf-8")
    sections = text.split("\n## ")[1:]
    pairs = (section.split("\n", 1) for section in sections)
    return {code.strip(): body.strip() + "\n" for code, body in pairs}


def explain(code: str) -> str:
    """Return the explanation of a code, as Markdown.

    Raises KeyError with a message that names the nearest code where there is none of that name.
    """
    known = explained_codes()
    if code in known:
        return known[code]
    nearest = nearest_name(code, list(known))
    raise KeyError(f"there is no diagnostic `{code}`" + (f"; did you mean `{nearest}`?" if nearest else ""))
