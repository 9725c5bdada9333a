"""Runs of any shape for hypothesis, and what a schedule has to keep, counted anew from its tries."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from socm.executors.base import Pace
from socm.planning.model import Groups, Limit, NodePool, PlannedJob, RunModel, Shape
from socm.planning.run_times import RunTime
from socm.planning.simulation import Schedule

SLURM_PACE = Pace(1.0, 6.0, 40.0, 10.0, 180.0, 1, 2.5)
PACES = (Pace(), SLURM_PACE, Pace(0.0, 0.0, 5.0, 5.0, 20.0, 0))


@st.composite
def run_models(draw: st.DrawFn, limited: bool = True, pace: Pace | None = None) -> RunModel:
    """Return a run: up to 25 jobs of up to 4 rules, each waiting for sets of earlier ones."""
    limits = (Limit("jobs", draw(st.integers(1, 6))), Limit("short_cores", draw(st.integers(8, 24))))
    pools = (NodePool("main", draw(st.integers(2, 4)), 8, draw(st.sampled_from((None, 16000)))),)
    shapes = []
    for number in range(draw(st.integers(1, 4))):
        cores, nodes = draw(st.integers(1, 8)), draw(st.integers(1, 2))
        cores = max(1, cores // nodes)
        shapes.append(
            Shape(
                rule=f"rule-{number}",
                cores=cores * nodes,
                nodes=nodes,
                cores_per_node=cores,
                mem_mb_per_node=draw(st.sampled_from((500, 7000, 16000))),
                amounts=((0, 1), (1, cores * nodes)) if limited else (),
                pool=draw(st.sampled_from((None, 0))) if limited else None,
                limit_seconds=1000.0,
                limit_growth=1.5,
                limit_most_seconds=2000.0,
                retries=draw(st.integers(0, 2)),
                priority=draw(st.integers(0, 2)),
            )
        )
    groups = Groups()
    jobs: list[PlannedJob] = []
    for number in range(draw(st.integers(1, 25))):
        earlier = st.integers(0, number - 1)
        sets = draw(st.lists(st.lists(earlier, min_size=1, max_size=4), max_size=2)) if number else []
        median = draw(st.floats(1, 900))
        run_time = RunTime(median * draw(st.floats(0.2, 1)), median, median * draw(st.floats(1, 3)))
        needs = tuple(sorted({groups.number(members) for members in sets}))
        jobs.append(PlannedJob(draw(st.integers(0, len(shapes) - 1)), f"j{number}", run_time, needs))
    return RunModel(
        tuple(shapes),
        tuple(jobs),
        tuple(groups.members),
        limits if limited else (),
        pools if limited else (),
        pace if pace is not None else draw(st.sampled_from(PACES)),
    )


def most_at_once(schedule: Schedule, amounts: Sequence[float]) -> float:
    """Return the most that runs at any moment, of which a job has `amounts[job]`."""
    moments = {one.start for one in schedule.tries}
    return max(
        (
            sum(amounts[one.job] for one in schedule.tries if one.start <= moment < one.end)
            for moment in moments
        ),
        default=0.0,
    )
