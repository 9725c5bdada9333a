"""`socm status` as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from socm.diagnostics.fitting import Fitted
from socm.executors.registry import EXECUTORS
from socm.planning.durations import duration_text, range_text
from socm.workspace.failures import REASON_TEXTS
from socm.workspace.status import STATES, CampaignStatus, JobStatus, State

STYLES: dict[State, str] = {
    "done": "green",
    "unknown": "magenta",
    "running": "cyan",
    "queued": "blue",
    "failed": "bold red",
    "stale": "yellow",
    "missing": "",
}


def status_table(status: CampaignStatus) -> Table:
    """Return a table of the rules of a campaign, jobs by state, with a line for the whole."""
    table = Table(title_justify="left", show_footer=len(status.rules) > 1)
    table.add_column("", footer="all", overflow="fold")
    table.add_column("jobs", justify="right", footer=str(len(status.jobs)))
    # What is rare has no column where it isn't.
    shown = [state for state in STATES if state != "unknown" or status.counts[state]]
    for state in shown:
        count = status.counts[state]
        table.add_column(
            state, justify="right", footer=Text(str(count or "·"), STYLES[state] if count else "")
        )
    used = sum(rule.core_hours_used for rule in status.rules)
    left = sum(rule.core_hours_left for rule in status.rules)
    table.add_column("core h\nused", justify="right", footer=_hours(used))
    table.add_column("core h\nleft", justify="right", footer=_hours(left))
    for rule in status.rules:
        counts = [
            Text(str(rule.counts[state] or "·"), STYLES[state] if rule.counts[state] else "dim")
            for state in shown
        ]
        hours = (_hours(rule.core_hours_used), _hours(rule.core_hours_left))
        table.add_row(rule.rule, str(rule.jobs), *counts, *hours)
    return table


def status_view(status: CampaignStatus, most: int = 20, only_failed: bool = False) -> RenderableType:
    """Return everything there is to say: the table, then what runs, failed and is stale.

    `most` is how many jobs of each kind are named; `only_failed` leaves all but failed jobs out.
    """
    parts: list[RenderableType] = []
    if not only_failed:
        parts += [_headline(status), Fitted(status_table(status))]
        parts += _section(status, "running", most)
        parts += _section(status, "queued", most)
        parts += _section(status, "stale", most)
        parts += _section(status, "unknown", most)
    parts += _section(status, "failed", len(status.jobs) if only_failed else most)
    parts += [Text(warning, "yellow") for warning in status.warnings]
    if only_failed and not status.counts["failed"]:
        parts.append(Text("No job failed."))
    return Group(*parts)


def _headline(status: CampaignStatus) -> Text:
    done = status.counts["done"]
    text = Text(f"{status.campaign}: {done} of {len(status.jobs)} jobs done", "bold")
    text.append(f", run by {status.holder}" if status.holder else "", "")
    if (end := status.end) is not None:
        spread = range_text(end.low, end.high)
        text.append(f"\nends in about {duration_text(end.median)} (10–90 %: {spread})", "not bold")
    return text


def _section(status: CampaignStatus, state: State, most: int) -> Iterator[RenderableType]:
    jobs = [job for job in status.jobs if job.state == state]
    if not jobs:
        return
    yield Text(f"\n{state}", STYLES[state])
    for job in jobs[:most]:
        yield Text(f"  {name_of(job)}  {_account(job)}".rstrip())
        for line in job.failure.tail if job.failure else ():
            yield Text(f"    | {line}", "dim")
    if len(jobs) > most:
        yield Text(f"  … and {len(jobs) - most} more", "dim")


def name_of(job: JobStatus) -> str:
    """Return a job's rule and name, as the paths of its logs have them."""
    return f"{job.rule}/{job.job}" if job.job else job.rule


def _account(job: JobStatus) -> str:
    if job.failure is not None:
        where = f" on {job.failure.node}" if job.failure.node else ""
        title = EXECUTORS[job.failure.executor].title if job.failure.executor else ""
        number = f" ({title} {job.failure.id}{where})" if job.failure.id else ""
        if job.failure.reason == "refused":
            return f"was refused by {title}"
        return f"{REASON_TEXTS[job.failure.reason]}{number}" + (f", log: {job.log}" if job.log else "")
    if job.queued is not None:
        title = EXECUTORS[job.queued.executor].title
        if not job.queued.id:
            return f"{title} takes no more for now: {job.queued.reason}"
        name = f"{title} {job.queued.id}"
        if job.queued.is_running:
            return f"{name} on {job.queued.nodes} since {job.queued.start}"
        return f"{name} waits: {job.queued.reason}"
    return job.why or ""


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 0.05 or hours == 0 else "<0.1"


def status_json(status: CampaignStatus, only_failed: bool = False) -> dict[str, Any]:
    """Return a campaign's status as one JSON document; `only_failed` leaves all but failed jobs out."""
    return {
        "campaign": status.campaign,
        "counts": dict(status.counts),
        "run_by": str(status.holder) if status.holder else None,
        "ends_in_s": status.end and [round(status.end.low), round(status.end.median), round(status.end.high)],
        "rules": [
            {
                "rule": rule.rule,
                "counts": dict(rule.counts),
                "core_hours_used": round(rule.core_hours_used, 3),
                "core_hours_left": round(rule.core_hours_left, 3),
            }
            for rule in status.rules
        ],
        "jobs": [_job_json(job) for job in status.jobs if job.state == "failed" or not only_failed],
        "warnings": list(status.warnings),
    }


def _job_json(job: JobStatus) -> dict[str, Any]:
    document: dict[str, Any] = {"rule": job.rule, "job": job.job, "state": job.state}
    if job.why:
        document["why"] = job.why
    if job.queued:
        document[job.queued.executor] = {
            "id": job.queued.id,
            "nodes": job.queued.nodes,
            "since": job.queued.start,
            "reason": job.queued.reason,
        }
    if job.failure:
        document["failure"] = {
            "reason": job.failure.reason,
            f"{job.failure.executor or 'job'}_id": job.failure.id,
            "node": job.failure.node,
            "tail": list(job.failure.tail),
        }
    if job.log:
        document["log"] = job.log
    if job.core_seconds is not None:
        document["core_seconds"] = round(job.core_seconds, 1)
    return document
