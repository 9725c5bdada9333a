"""Slurm jobs in which Snakemake runs a campaign of the tests."""

from __future__ import annotations

import re
import sys

from campaigns import CLUSTER, Workspace
from cluster import wait_until

from socm.executors.slurm.allocation import request, submit_command


class Allocated:
    """A Slurm job in which Snakemake runs a workspace."""

    def __init__(self, workspace: Workspace, nodes: int = 2, minutes: int = 10, *options: str) -> None:
        self.workspace = workspace
        (workspace.folder / "logs/slurm").mkdir(parents=True, exist_ok=True)
        job = request(CLUSTER, nodes, minutes)
        command = submit_command(
            "campaign", workspace.folder, job, ("--latency-wait", "5", *options), sys.executable
        )
        self.id = workspace.slurm.run(*command).stdout.strip()

    @property
    def log(self) -> str:
        path = self.workspace.folder / f"logs/slurm/allocation-{self.id}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def state(self) -> str:
        """Return the state of the job, which Slurm remembers for some minutes."""
        said = self.workspace.slurm.run("scontrol", "show", "job", "--oneliner", self.id).stdout
        return re.search(r"JobState=(\w+)", said)[1]  # type: ignore[index]

    def end_state(self, timeout: float = 300) -> str:
        """Wait for the job's end and return the state it ended in."""
        ended = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY")
        try:
            wait_until(lambda: self.state in ended, timeout, "the allocation goes on")
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.log}") from None
        return self.state

    def steps(self) -> dict[str, str]:
        """Return the names of the steps that run now, by id."""
        said = self.workspace.slurm.run("squeue", "--steps", "--noheader", "--format=%i %j").stdout
        pairs = (line.split(maxsplit=1) for line in said.splitlines() if line.startswith(f"{self.id}."))
        return {number: name for number, name in pairs if number.rpartition(".")[2].isdigit()}
