"""What the simulation of a run costs: CPU seconds over the number of jobs, beside the compile's share of it.

Nine tenths of the jobs are maps, the others judge them, in sets of nine; a QoS's cores bind, and one try in
a hundred fails. With a deadline that can't be met, what would meet it is looked for as well.

    python benchmarks/bench_plan.py
"""

from __future__ import annotations

import sys
import time

from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.model import Cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment, Resources
from socm.core.steps import JUDGE, MAP
from socm.graph.plan import Plan, make_plan
from socm.planning.deadline import PlannedRun, outlook, remedies
from socm.planning.forecast import Assumptions, forecast

TARGET_SECONDS = 2.0
"""Of 10,000 jobs, with a deadline."""
SIZES = (100, 1_000, 10_000)
CLUSTER = Cluster.model_validate(
    {
        "name": "bench",
        "nodes": 492,
        "cores_per_node": 112,
        "memory_per_node": 1_000_000,
        "launcher": "srun",
        "qos": [
            {"name": "short", "walltime": "24h", "jobs": 500, "cores": 2000},
            {"name": "long", "walltime": "72h", "jobs": 80, "cores": 8000},
        ],
    }
)


def plan_of(jobs: int) -> Plan:
    """Return a plan of so many jobs."""
    tests = jobs // 10
    maps = [JobSpec(command="map", name=f"m{n}", outputs={"map": f"maps/{n}"}) for n in range(jobs - tests)]
    nulls = [
        JobSpec(
            command="judge",
            name=f"n{n}",
            inputs={"map": tuple(f"maps/{9 * n + k}" for k in range(9))},
            outputs={"pte": f"nulls/{n}"},
        )
        for n in range(tests)
    ]
    specs = [
        RuleSpec("maps", "maps", MAP, "", tuple(maps), asked(8, "64G", "3h"), Environment()),
        RuleSpec("nulls", "maps", (JUDGE,), "", tuple(nulls), asked(4, "20G", "1h"), Environment()),
    ]
    fitted = {spec.name: fit(spec.resources, CLUSTER, jobs=len(spec.jobs)) for spec in specs}
    keyed = [(spec, ("campaign", spec.name)) for spec in specs]
    return make_plan(keyed, fitted, lambda rules: run_limits(rules, CLUSTER))


def asked(threads: int, memory: str, runtime: str) -> Resources:
    """Return what a job asks for."""
    return Resources.model_validate(
        {"threads": threads, "memory": memory, "runtime": runtime, "qos": "short"}
    )


def main() -> None:
    """Print a row a size; exit 1 above the target."""
    print("simulation of a run, CPU s")
    print(f"{'jobs':>8} {'forecast':>10} {'deadline':>10} {'all':>8} {'courses':>8} {'makespan':>10}")
    worst = 0.0
    for jobs in SIZES:
        run = PlannedRun(plan_of(jobs), CLUSTER, {}, Assumptions())
        before = time.process_time()
        found = forecast(run.model, run.assumptions)
        middle = time.process_time()
        stands = outlook(found, found.chain_bound * 0.9)
        remedies(run, found, stands.deadline_seconds)
        after = time.process_time()
        print(
            f"{jobs:8,} {middle - before:10.2f} {after - middle:10.2f} {after - before:8.2f} "
            f"{len(found.makespans):8} {found.makespan(50) / 3600:8.1f} h"
        )
        worst = after - before
    print(f"target for {SIZES[-1]:,} jobs: {TARGET_SECONDS} s")
    sys.exit(worst > TARGET_SECONDS)


if __name__ == "__main__":
    main()
