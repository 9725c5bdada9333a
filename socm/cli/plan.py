"""`socm plan`: how long a campaign takes before it runs."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import (
    FormattedCommand,
    campaign_argument,
    force_option,
    format_option,
    note_unchecked,
    plugins_option,
)
from socm.cli.printing import console
from socm.diagnostics.terminal import echo, echo_json

if TYPE_CHECKING:
    from socm.compile import Compiled
    from socm.core.models import Campaign
    from socm.planning.run_times import RunTime

TABLE_COLUMNS = 130
MEASURED = "measured"
QUEUE_SPREAD = 3.0
"""A wait in the queue that is named is three times shorter or longer in one case of ten each."""


@click.command(name="plan", cls=FormattedCommand)
@campaign_argument
@click.option(
    "--queue-wait",
    metavar="DURATION",
    help="Typical wait of a job in the queue, beyond that due to the campaign's own limits, such as 30m; "
    "`measured` uses your own jobs of the last two weeks.",
)
@click.option(
    "--failures",
    type=click.FloatRange(0, 100, max_open=True),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="Percentage of attempts that fail at random and are retried.",
)
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    help="Cores of a run without a scheduler [default: this machine's].",
)
@format_option
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Plot the jobs against time into this .svg, .png or .html file.",
)
@force_option
@plugins_option
def plan_command(
    file: Path,
    queue_wait: str | None,
    failures: float,
    cores: int | None,
    form: str,
    plot: Path | None,
    force: bool,
    no_plugins: bool,
) -> None:
    """Predict a campaign's run time, resources and bottlenecks before it runs.

    The run is simulated many times within the cluster's limits. Run times are learnt from similar jobs in
    the campaign's workspace, or wherever its rules learn from; failing that, they are those requested.
    Writes nothing but the plot.
    """
    from socm.compile import compile_campaign
    from socm.planning.deadline import PlannedRun, outlook, remedies
    from socm.planning.forecast import Assumptions, forecast
    from socm.planning.picture import FORMATS, plan_picture
    from socm.planning.view import plan_json, plan_view
    from socm.workspace.prediction import known_run_times

    if math.isnan(failures):
        raise click.BadParameter("nan is no number of percent", param_hint="--failures")
    if plot is not None and plot.suffix.lower() not in FORMATS:
        raise click.BadParameter(f"a plan is drawn into {', '.join(FORMATS)}", param_hint="--plot")
    compiled = compile_campaign(file, plugins=not no_plugins, with_deadline=False)
    campaign = compiled.loaded.campaign
    run = PlannedRun(
        compiled.plan,
        compiled.cluster,
        known_run_times(compiled.workspace, compiled.plan, file.parent),
        Assumptions(_queue_wait(queue_wait, compiled), failures / 100),
        cores or len(os.sched_getaffinity(0)),
        nodes_there=_nodes_there(campaign, file.parent),
    )
    found = forecast(run.model, run.assumptions)
    seconds = None if campaign.deadline is None else campaign.deadline * 60.0
    stands = None if seconds is None else outlook(found, seconds)
    changes = (
        [] if stands is None or stands.outcome == "met" else remedies(run, found, stands.deadline_seconds)
    )
    if form == "json":
        echo_json(plan_json(campaign.name, found, stands, changes))
    else:
        console(TABLE_COLUMNS).print(plan_view(campaign.name, found, stands, changes))
    sys.stdout.flush()
    note_unchecked(compiled)
    for name in compiled.waiting:
        echo(f"{name} is not counted: which jobs it has is known when others have run.", err=True)
    if plot is not None:
        from socm.formats.new_file import write_new

        write_new(plot, plan_picture(campaign.name, found, plot.suffix.lower(), seconds), force=force)
        echo(f"Drew {plot}.", err=form != "text")


def _nodes_there(campaign: Campaign, base: Path) -> float:
    """Return the nodes of the whole cluster where a campaign takes a share of it, 0 where it doesn't."""
    from socm.clusters.load import load_cluster

    if campaign.resources.nodes is None:
        return 0
    return load_cluster(campaign.resource, base).nodes or math.inf


def _queue_wait(text: str | None, compiled: Compiled) -> RunTime | None:
    """Return how long jobs wait in the queue, named or measured; raises BadParameter."""
    from socm.core.units import duration_seconds
    from socm.executors.base import ExecutorSilentError
    from socm.executors.registry import EXECUTORS
    from socm.planning.run_times import RunTime, measured_run_time

    if text is None:
        return None
    if text == MEASURED:
        used = {rule.resources.qos for rule in compiled.plan.rules}
        try:
            waits = EXECUTORS[compiled.cluster.scheduler].queue_waits()
        except ExecutorSilentError as error:
            raise click.BadParameter(
                f"how long jobs waited is not known: {error}", param_hint="--queue-wait"
            ) from None
        seconds = [wait for qos, wait in waits if qos in used or None in used]
        if not seconds:
            raise click.BadParameter(
                "no job of yours waited in these queues lately", param_hint="--queue-wait"
            )
        return measured_run_time(seconds)
    try:
        median = duration_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--queue-wait") from None
    return RunTime(median / QUEUE_SPREAD, median, median * QUEUE_SPREAD, shared=0.5)
