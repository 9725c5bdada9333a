"""A workspace as a user has it: a campaign file, and the programs to type there."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from programs import run_program

CAMPAIGN = """\
[campaign]
name = "small"
seed = 3

[campaign.ml-null-tests]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"
bands = "f090"
maxiter = 5
tiled = 0
nocal = true
no_sidelobe = true
resources = { memory = "1G", runtime = "10m" }

[campaign.ml-null-tests.mission-tests]
chunk_nobs = 3
nsplits = 4

[campaign.ml-null-tests.wafer-tests]
chunk_nobs = 3
nsplits = 1
"""


@dataclass(frozen=True)
class Workspace:
    """A folder with a campaign, and the programs a user would type there."""

    folder: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment in the folder."""
        return run_program(*command, folder=self.folder, check=check)

    def compile(self) -> str:
        """Compile the campaign; return what was said."""
        return self.run("socm", "compile", "campaign.toml").stdout

    def snakemake(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user does."""
        return self.run("snakemake", "--profile", "local", *options, check=check)

    def would_run(self) -> set[str]:
        """Return the jobs that Snakemake would run now."""
        return jobs_in(self.snakemake("--dry-run"))

    def split_files(self) -> dict[str, str]:
        """Return the query files of all splits: name to text."""
        files = (self.folder / "workflow/splits").rglob("*.txt")
        return {path.stem: path.read_text() for path in files}

    def edit(self, before: str, after: str) -> None:
        """Change the campaign file."""
        file = self.folder / "campaign.toml"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))


def jobs_in(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the jobs that a Snakemake run names: workflow, and the value of the wildcard."""
    return set(re.findall(r"^Job \d+: (.+), log: ", done.stdout + done.stderr, re.MULTILINE))
