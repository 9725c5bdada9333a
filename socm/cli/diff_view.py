"""`socm diff`: what a compile would change, as text and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from socm.diagnostics.amounts import counted, size_text, some_of
from socm.workspace.diff import CHANGES, FIRST, Change, ChangeKind, Difference, Gone, Why

MIN_COLUMNS = 40
MOST_LINES = 12
"""How many jobs of a rule are named where each has a reason of its own."""

_MEANING: dict[ChangeKind, tuple[str, str, str]] = {
    "new": ("green", "new", "new"),
    "changed": ("yellow", "changed", "changed"),
    "follows": ("cyan", "made again, because what they read is", "made again with those"),
    "unfinished": ("magenta", "unchanged, and not made yet", "not made yet"),
}
"""Colour of a kind of change, its heading, and its name in the sums."""


def print_difference(difference: Difference, console: Console, *, every_job: bool = False) -> None:
    """Print the jobs that would run, rule by rule with the reason, what stays behind, and the sums."""
    for kind in CHANGES:
        if of_kind := difference.of_kind(kind):
            style, heading, _ = _MEANING[kind]
            console.print(Text(f"{counted(len(of_kind), 'job')} {heading}", style=f"bold {style}"))
            for changes in _by_rule(of_kind):
                for line in _rule_lines(changes, every_job):
                    _print_line(console, line)
            console.print()
    if difference.gone:
        console.print(
            Text(f"{counted(len(difference.gone), 'job')} gone; their files stay behind", style="bold red")
        )
        for line in _gone_lines(difference.gone, every_job):
            _print_line(console, line)
        console.print()
    _print_line(console, (0, _summary(difference)))


def _print_line(console: Console, line: tuple[int, str]) -> None:
    indent, text = line
    wrapped = textwrap.fill(
        text,
        width=max(console.width, MIN_COLUMNS),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(Text(wrapped), soft_wrap=True)


def _by_rule(changes: Sequence[Change]) -> list[list[Change]]:
    rules: dict[str, list[Change]] = {}
    for change in changes:
        rules.setdefault(change.rule, []).append(change)
    return list(rules.values())


def _rule_lines(changes: Sequence[Change], every_job: bool) -> Iterator[tuple[int, str]]:
    """Yield indent and text of the lines about a rule: a reason that all its jobs share is listed once."""
    yield 2, f"{changes[0].rule}: {_names([change.job for change in changes], every_job)}{_cost(changes)}"
    reasons = [_why_lines(change.why) for change in changes]
    shared = [line for line in reasons[0] if all(line in lines for lines in reasons)]
    for line in shared:
        yield 6, line
    own = [
        (change, [line for line in lines if line not in shared])
        for change, lines in zip(changes, reasons, strict=True)
    ]
    listed = [(change, lines) for change, lines in own if lines]
    for change, lines in listed if every_job else listed[:MOST_LINES]:
        for line in lines:
            yield 6, f"{change.job}: {line}"
    if not every_job and len(listed) > MOST_LINES:
        yield 6, f"… and {counted(len(listed) - MOST_LINES, 'job')} more; --all names them"


def _names(names: Sequence[str], every_job: bool) -> str:
    if names == [""]:
        return "1 job"
    return f"{counted(len(names), 'job')}, {some_of(names, len(names) if every_job else 3)}"


def _cost(changes: Sequence[Change]) -> str:
    parts = []
    for measured, source in ((True, "as measured last time"), (False, "as asked for")):
        hours = [change.core_hours for change in changes if change.measured is measured]
        if hours:
            parts.append(f"{_hours(sum(hours))} core hours {source}")
    return f" ({', '.join(parts)})"


def _why_lines(why: Sequence[Why]) -> list[str]:
    return [line for one in why if (line := _why_line(one))]


def _why_line(why: Why) -> str:
    if why.kind == "observations":
        return f"observations: {_observations(why)}"
    if why.kind in ("input content", "inputs"):
        parts = [*why.added, *(f"no more {path}" for path in why.removed)]
        return f"{why.kind}: {', '.join(parts) if len(parts) <= FIRST else _more_and_fewer(why)}"
    if why.kind == "cut-off":
        return "was cut off while it ran"
    if why.kind in ("missing", "follows"):
        return ""
    if not why.added and not why.removed:
        return why.kind
    before, now = " ".join(why.removed), " ".join(why.added)
    return f"{why.kind}: " + (f"{before} → {now}" if before and now else f"+ {now}" if now else f"− {before}")


def _observations(why: Why) -> str:
    if not why.added and not why.removed:
        return "changed since it ran"
    return _more_and_fewer(why)


def _more_and_fewer(why: Why) -> str:
    parts = []
    for values, word in ((why.added, "more"), (why.removed, "fewer")):
        if values:
            parts.append(f"{len(values):,} {word} ({some_of(values, FIRST)})")
    return ", ".join(parts)


def _gone_lines(gone: Sequence[Gone], every_job: bool) -> Iterator[tuple[int, str]]:
    for one in gone:
        title = f"{one.rule} {one.job}".strip()
        files = counted(len(one.files), "file")
        yield 2, f"{title}: {files}, {size_text(one.size_bytes)}" if one.files else f"{title}: no files"
        shown = one.files if every_job else one.files[:FIRST]
        for path, size in shown:
            yield 6, f"{path}  {size_text(size)}"
        if len(shown) < len(one.files):
            yield 6, f"… and {len(one.files) - len(shown)} more; --all names them"


def _summary(difference: Difference) -> str:
    if not difference.changes:
        left = " Files of jobs that are gone stay behind." if difference.gone else ""
        return f"Nothing would run: {counted(difference.unchanged, 'job')} stay as they are.{left}"
    parts = [f"{len(found)} {_MEANING[kind][2]}" for kind in CHANGES if (found := difference.of_kind(kind))]
    text = (
        f"{counted(len(difference.changes), 'job')} would run: {', '.join(parts)}{_cost(difference.changes)}."
    )
    text += f" {difference.unchanged} stay as they are."
    if difference.gone:
        size = size_text(sum(one.size_bytes for one in difference.gone))
        text += f" {len(difference.gone)} gone, {size} stay behind."
    return text


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def difference_json(difference: Difference) -> dict[str, Any]:
    """Return everything that the text shows as JSON."""
    return {
        "jobs": [
            {
                "rule": change.rule,
                "job": change.job,
                "change": change.kind,
                "why": [one.as_json for one in change.why],
                "core_hours": round(change.core_hours, 6),
                "measured": change.measured,
            }
            for change in difference.changes
        ],
        "gone": [
            {
                "rule": one.rule,
                "job": one.job,
                "files": [{"path": path, "bytes": size} for path, size in one.files],
            }
            for one in difference.gone
        ],
        "counts": {
            **{kind: len(difference.of_kind(kind)) for kind in CHANGES},
            "gone": len(difference.gone),
            "unchanged": difference.unchanged,
        },
        "core_hours": {
            "measured": round(difference.core_hours(measured=True), 6),
            "asked_for": round(difference.core_hours(measured=False), 6),
        },
        "gone_bytes": sum(one.size_bytes for one in difference.gone),
    }
