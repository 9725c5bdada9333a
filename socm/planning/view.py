"""A forecast as text for the terminal and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from socm.diagnostics.fitting import Fitted
from socm.planning.deadline import Outlook, Remedy, outlook_text
from socm.planning.durations import duration_text, range_text
from socm.planning.forecast import Floats, Forecast, running_over_time
from socm.planning.model import RunModel
from socm.planning.simulation import CHAIN, QUEUE

BLOCKS = " ▁▂▃▄▅▆▇█"
CHART_COLUMNS = 60
MOST_LINKS = 8


def plan_view(
    name: str, found: Forecast, deadline: Outlook | None, changes: Sequence[Remedy]
) -> RenderableType:
    """Return all there is to say of a forecast: figures, critical path, rules along time, the deadline."""
    if not found.model.jobs:
        return Text(f"{name}: no job")
    parts: list[RenderableType] = [Text(f"{name}: {_jobs(len(found.model.jobs))}", "bold"), _figures(found)]
    parts += [Text("\ncritical path", "bold"), *_path_lines(found)]
    parts += [Text(""), Fitted(_chart(found)), Text(_scale(found), "dim")]
    parts += [Text(line, "dim") for line in assumption_lines(found)]
    if deadline is not None:
        style = {"met": "green", "at risk": "yellow", "impossible": "bold red"}[deadline.outcome]
        parts.append(Text(f"\n{outlook_text(deadline)}", style))
        parts += list(_remedy_lines(deadline, changes))
    return Group(*parts)


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


def _figures(found: Forecast) -> Table:
    table = Table.grid(padding=(0, 2))
    low, middle, high = (found.makespan(percent) for percent in (10, 50, 90))
    hours = _hours(found)
    peaks = found.peaks
    held = ", ".join(f"{holder_text(found.model, n)} {p:.0%}" for n, p in found.held_by.items() if p >= 0.01)
    bounds = f"{duration_text(found.chain_bound)} the longest chain"
    if found.work_bound:
        bounds += f", {duration_text(found.work_bound)} what all jobs share"
    table.add_row("  makespan", f"{duration_text(middle)} (10–90 %: {range_text(low, high)})")
    table.add_row("  core hours", f"{_number(hours[1])} ({_number(hours[0])}–{_number(hours[2])})")
    table.add_row("  peak", f"{_jobs(peaks.jobs)}, {peaks.cores:,} cores, {_memory(peaks.mem_mb)}")
    table.add_row("  lower bounds", f"{bounds}, each job at its median")
    table.add_row("  held up by", held)
    return table


def _hours(found: Forecast) -> list[float]:
    return [round(float(np.percentile(found.core_hours, percent)), 3) for percent in (10, 50, 90)]


def holder_text(model: RunModel, name: str) -> str:
    """Return what held a run up, in words."""
    if name in (CHAIN, QUEUE):
        return {CHAIN: "jobs that wait for each other", QUEUE: "the queue"}[name]
    texts = {limit.name: limit.text for limit in model.limits}
    texts |= {f"nodes {pool.name}": f"{pool.nodes:,} nodes of {pool.name}" for pool in model.pools}
    return texts[name]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _memory(mem_mb: int) -> str:
    return f"{mem_mb / 1e6:.1f} TB" if mem_mb >= 1e6 else f"{mem_mb / 1e3:.1f} GB"


def _path_lines(found: Forecast) -> Iterator[Text]:
    links = found.critical_path
    shown = list(links) if len(links) <= MOST_LINKS else [*links[: MOST_LINKS - 2], None, links[-1]]
    for link in shown:
        if link is None:
            yield Text(f"  … {len(links) - MOST_LINKS + 1} more")
            continue
        waited = f", after {duration_text(link.waited)} of waiting" if link.waited >= 1 else ""
        yield Text(f"  {found.model.title(link.job)}  {duration_text(link.ran)}{waited}")


def _chart(found: Forecast) -> Table:
    """Return a table of rules: how many of their jobs run along time, in the typical course."""
    table = Table()
    table.add_column("", overflow="fold")
    table.add_column("jobs", justify="right")
    table.add_column("run time", justify="right")
    table.add_column("from", justify="right")
    table.add_column("to", justify="right")
    table.add_column("most\nat once", justify="right")
    table.add_column("running", no_wrap=True, min_width=CHART_COLUMNS)
    for rule, facts in rule_facts(found).items():
        table.add_row(
            Text(rule),
            f"{facts['jobs']:,}",
            duration_text(facts["run_time_s"][1]),
            duration_text(facts["from_s"]),
            duration_text(facts["to_s"]),
            f"{facts['most_at_once']:,}",
            Text(facts["chart"]),
        )
    return table


def rule_facts(found: Forecast) -> Mapping[str, dict[str, Any]]:
    """Return for each rule its jobs, their run times, s, and when they run in the typical course."""
    model, typical = found.model, found.typical
    facts: dict[str, dict[str, Any]] = {}
    running = running_over_time(found)
    for number, shape in enumerate(model.shapes):
        jobs = [index for index, job in enumerate(model.jobs) if job.shape == number]
        times = np.array([_points(model, job) for job in jobs]).reshape(-1, 3)
        moments, counts = running[shape.rule]
        facts[shape.rule] = {
            "jobs": len(jobs),
            "run_time_s": [round(float(value), 1) for value in np.median(times, axis=0)],
            "rests_on": sorted({model.jobs[job].run_time.rests_on for job in jobs} - {""}),
            "from_s": min(typical.start[job] for job in jobs),
            "to_s": max(typical.end[job] for job in jobs),
            "most_at_once": int(counts.max(initial=0)),
            "chart": _blocks(moments, counts, typical.makespan),
        }
    return facts


def _points(model: RunModel, job: int) -> tuple[float, float, float]:
    time = model.jobs[job].run_time
    return time.low, time.median, time.high


def _blocks(moments: Floats, counts: Floats, makespan: float) -> str:
    """Return a line of blocks: how many jobs run in each part of a run, on average, against its peak."""
    edges = np.linspace(0, makespan, CHART_COLUMNS + 1)
    grid = np.concatenate([[0.0], moments])
    level = np.concatenate([[0.0], counts])
    area = np.concatenate([[0.0], np.cumsum(level[:-1] * np.diff(grid))])
    at_edges = np.interp(edges, grid, area)
    means = np.diff(at_edges) / max(makespan / CHART_COLUMNS, 1e-9)
    peak = max(float(counts.max(initial=0)), 1.0)
    heights = np.ceil(np.clip(means / peak, 0, 1) * (len(BLOCKS) - 1) - 1e-9).astype(int)
    return "".join(BLOCKS[height] for height in heights)


def _scale(found: Forecast) -> str:
    part = duration_text(found.typical.makespan / CHART_COLUMNS)
    return f"one column of the chart is {part}; the typical course, in which each job takes its median"


def assumption_lines(found: Forecast) -> list[str]:
    """Return what a forecast takes for granted, a line each."""
    jobs, assumed = found.model.jobs, found.assumptions
    asked = sum(job.run_time.rests_on == "asked" for job in jobs)
    lines = []
    if asked:
        which = "of all jobs" if asked == len(jobs) else f"of {asked:,} of {len(jobs):,} jobs"
        lines.append(f"run times {which} are 60 % (10–90 %: 30–95 %) of the `runtime` that they ask for")
    wait = assumed.queue_wait
    if found.model.pace.submit_seconds:
        lines.append(
            "no time in the queue but that of the campaign's own limits: --queue-wait adds to it"
            if wait is None
            else f"a job waits {duration_text(wait.median)} in the queue "
            f"(10–90 %: {range_text(wait.low, wait.high)}) besides the campaign's own limits"
        )
    if found.model.pace.retries or any(shape.retries for shape in found.model.shapes):
        lines.append(f"{assumed.failure_rate:.0%} of the tries fail by themselves, and are made again")
    return lines


def _remedy_lines(deadline: Outlook, changes: Sequence[Remedy]) -> Iterator[Text]:
    if deadline.outcome == "met":
        return
    enough = [one for one in changes if one.is_enough]
    if not changes:
        yield Text("nothing that was tried shortens it: more ranks, another QoS, fewer null tests")
    elif not enough:
        yield Text("no single change is enough; what shortens it most:")
    else:
        yield Text("what would meet it:")
    for one in (enough or changes)[:6]:
        yield Text(f"  {duration_text(one.makespan):>8}  {one.change}")


def plan_json(
    name: str, found: Forecast, deadline: Outlook | None, changes: Sequence[Remedy]
) -> dict[str, Any]:
    """Return a forecast as one JSON document; times in s from the start of the run."""
    model, typical = found.model, found.typical
    points = {str(percent): round(found.makespan(percent), 1) for percent in (10, 50, 90)}
    document: dict[str, Any] = {
        "campaign": name,
        "makespan_s": points if model.jobs else {},
        "core_hours": dict(zip(points, _hours(found), strict=True)),
        "courses": len(found.makespans),
        "peak": {"jobs": found.peaks.jobs, "cores": found.peaks.cores, "mem_mb": found.peaks.mem_mb},
        "bounds_s": {"chain": round(found.chain_bound, 1), "work": round(found.work_bound, 1)},
        "held_up_by": {holder_text(model, name): round(part, 4) for name, part in found.held_by.items()},
        "critical_path": [
            {"job": model.title(link.job), "waited_s": round(link.waited, 1), "ran_s": round(link.ran, 1)}
            for link in found.critical_path
        ],
        "rules": {
            rule: {key: value for key, value in facts.items() if key != "chart"}
            for rule, facts in rule_facts(found).items()
        },
        "jobs": [
            {
                "job": model.title(job),
                "start_s": round(typical.start[job], 1),
                "end_s": round(typical.end[job], 1),
            }
            for job in range(len(model.jobs))
        ],
        "assumptions": assumption_lines(found),
    }
    if deadline is not None:
        document["deadline"] = {
            "seconds": deadline.deadline_seconds,
            "outcome": deadline.outcome,
            "probability": round(deadline.probability, 3),
            "changes": [
                {"change": one.change, "makespan_s": round(one.makespan, 1), "is_enough": one.is_enough}
                for one in changes
            ],
        }
    return document
