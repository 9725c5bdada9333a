"""The law of the order: random graphs of workflows, run by the real Snakemake.

Every job writes what it read and when. For any graph, each input exists when its reader starts, a
reader starts after what it reads has ended, and failures stop exactly their descendants.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workflows_workspace import Workspace

PROGRAM = """
import json, os, sys, time
name, fails, output, *inputs = sys.argv[1:]
start = time.time()
read = {path: os.path.exists(path) for path in inputs}
time.sleep(0.01)
with open("events.jsonl", "a") as file:
    file.write(json.dumps({"name": name, "start": start, "end": time.time(), "read": read}) + "\\n")
if fails == "fails":
    sys.exit(1)
os.makedirs(os.path.dirname(output), exist_ok=True)
with open(output, "w") as file:
    file.write(name)
"""
NAMES = ("all", "class", "input", "a-b", "map", "x1", "x10", "rule", "f", "split_2")
BANDS = ("f090", "f150", "f220")


@dataclass(frozen=True)
class Step:
    """A workflow of the random graph: who it reads from, who it waits for, its matrix, who fails."""

    name: str
    reads: tuple[str, ...]
    waits: tuple[str, ...]
    bands: tuple[str, ...]
    name_in_folder: bool
    fails: bool

    def toml(self) -> str:
        place = "${self.output_dir}/out.txt" if self.name_in_folder else f"results/{self.name}-"
        if not self.name_in_folder:
            place += "${self.band}.txt" if self.bands else "out.txt"
        inputs = "".join(f', "${{{other}.made}}"' for other in self.reads)
        lines = [
            f"[campaign.{self.name}]",
            'workflow = "command"',
            'executable = "python"',
            f'output_dir = "results/{self.name}"',
            f'args = ["program.py", "{self.name}", "{"fails" if self.fails else "works"}", "${{self.made}}"{inputs}]',
            f'outputs = {{ made = "{place}" }}',
            f"depends_on = {json.dumps(self.waits)}",
        ]
        if self.reads:
            lines.append(
                "inputs = { " + ", ".join(f'r{n} = "${{{o}.made}}"' for n, o in enumerate(self.reads)) + " }"
            )
        if self.bands:
            lines.append(f"matrix = {{ band = {json.dumps(self.bands)} }}")
        return "\n".join(lines) + "\n"


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=6, unique=True))
    steps: list[Step] = []
    for number, name in enumerate(names):
        before = st.lists(st.sampled_from(names[:number]), max_size=2, unique=True) if number else st.just([])
        reads = draw(before)
        waits = [other for other in draw(before) if other not in reads]
        bands = tuple(draw(st.lists(st.sampled_from(BANDS), max_size=3, unique=True)))
        # A reader of another band than its source's would find no partner.
        for other in steps:
            if other.name in reads and other.bands and bands and not set(bands) <= set(other.bands):
                bands = other.bands
        partners = [other for other in steps if other.name in reads and other.bands]
        if any(not set(bands) <= set(other.bands) for other in partners):
            bands = ()
        steps.append(
            Step(name, tuple(reads), tuple(waits), bands, draw(st.booleans()), draw(st.integers(0, 5)) == 0)
        )
    return steps


def descendants(steps: list[Step], failed: set[str]) -> set[str]:
    """Return the names of steps all of whose jobs wait, however indirectly, for one that fails."""
    below = set(failed)
    for step in steps:
        if below & {*step.reads, *step.waits}:
            below.add(step.name)
    return below - failed


@pytest.mark.snakemake
@settings(
    max_examples=7,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_respects_every_edge_and_failures_stop_their_descendants(steps: list[Step], random) -> None:
    shuffled = list(steps)
    random.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.write("\n".join(step.toml() for step in shuffled), program_py=PROGRAM)
        workspace.compile()
        run = workspace.run()
        lines = (Path(folder) / "events.jsonl").read_text().splitlines() if run.started else []
        again = workspace.run() if run.code == 0 else None
    events = [json.loads(line) for line in lines]
    assert all(all(event["read"].values()) for event in events), (
        "an input was missing when its reader started"
    )
    by_name: dict[str, list[dict[str, float]]] = {}
    for event in events:
        by_name.setdefault(event["name"], []).append(event)
    failed = {step.name for step in steps if step.fails and step.name in by_name}
    stopped = descendants(steps, {step.name for step in steps if step.fails})
    assert by_name.keys() == {step.name for step in steps} - stopped
    for step in steps:
        jobs = by_name.get(step.name, [])
        assert len(jobs) in {0, max(len(step.bands), 1)}
        for other in step.waits:
            assert all(job["start"] >= max(one["end"] for one in by_name[other]) for job in jobs)
        for other in step.reads:
            assert all(job["start"] >= min(one["end"] for one in by_name[other]) for job in jobs)
    assert (run.code == 0) is not bool(failed), run.text
    assert again is None or again.started == ()
