"""`socm resources`: what jobs asked for, used and should ask for, as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from socm.core.units import memory_text
from socm.diagnostics.fitting import Fitted
from socm.planning.durations import duration_text
from socm.workspace.resource_use import RuleUse, Used


def resources_json(uses: Sequence[RuleUse]) -> dict[str, Any]:
    """Return the rules and their jobs as JSON; memory in MB, times in s or minutes as the names say."""
    rules = [
        {
            "rule": use.rule,
            "table": ".".join(map(str, use.table)),
            "jobs": len(use.jobs),
            "ran": use.ran,
            "asked": {"memory_mb": use.asked_memory_mb, "runtime_minutes": use.asked_minutes},
            "used": {
                "memory_mb": None if use.memory_mb is None else asdict(use.memory_mb),
                "runtime_seconds": None if use.runtime_seconds is None else asdict(use.runtime_seconds),
            },
            "suggested": {"memory_mb": use.suggested_memory_mb, "runtime_minutes": use.suggested_minutes},
            "core_hours": {"held": use.held_core_hours, "wasted": use.wasted_core_hours},
            "each": [_job(one) for one in use.jobs],
        }
        for use in uses
    ]
    return {"rules": rules}


def _job(one: Any) -> dict[str, Any]:
    used = one.used
    return {
        "job": one.name,
        "asked": {"memory_mb": one.facts.memory_mb, "runtime_minutes": one.facts.runtime_minutes},
        "rests_on": one.rests_on,
        "used": None
        if used is None
        else {
            "memory_mb": used.memory_mb,
            "node_memory_mb": used.node_memory_mb,
            "runtime_seconds": used.elapsed_seconds,
            "cpu_seconds": used.cpu_seconds,
            "nodes": list(used.nodes),
            "ranks": used.ranks,
            "measured_by": used.source,
        },
    }


def resources_view(uses: Sequence[RuleUse], *, every_job: bool = False) -> RenderableType:
    """Return a table of the rules; with `every_job` also one of the jobs and what they ask for rests on."""
    rules = _table("workflow", "ran", "asks", "used: median", "95 %", "worst", "suggested", "wasted core h")
    for use in uses:
        memory, runtime = use.memory_mb, use.runtime_seconds
        rules.add_row(
            Text(use.rule),
            f"{use.ran}/{len(use.jobs)}",
            _amounts(use.asked_memory_mb, use.asked_minutes * 60),
            *(_of(memory, runtime, which) for which in ("median", "usual", "worst")),
            _amounts(use.suggested_memory_mb, (use.suggested_minutes or 0) * 60) if use.ran else "–",
            f"{use.wasted_core_hours:,.2f} of {use.held_core_hours:,.2f}" if use.ran else "–",
        )
    if not every_job:
        return Fitted(rules)
    jobs = _table("job", "asks", "used", "it asks for what is expected from")
    for use in uses:
        for one in use.jobs:
            took = None if one.used is None else (one.used.memory_mb, one.used.elapsed_seconds)
            jobs.add_row(
                Text(f"{use.rule} {one.name}".strip()),
                _amounts(one.facts.memory_mb, one.facts.runtime_minutes * 60),
                "–" if took is None else _amounts(*took),
                one.rests_on or "its table",
            )
    return Group(Fitted(rules), "", Fitted(jobs))


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in others:
        table.add_column(name, no_wrap=True)
    return table


def _of(memory: Used | None, runtime: Used | None, which: str) -> str:
    if memory is None or runtime is None:
        return "–"
    return _amounts(getattr(memory, which), getattr(runtime, which))


def _amounts(memory_mb: float | None, seconds: float) -> str:
    return f"{memory_text(memory_mb or 0)}, {duration_text(seconds)}"
