"""A campaign with every kind of edge in a folder, and the programs that show it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from programs import run_program

CAMPAIGN = """
[campaign.first]
workflow = "command"
executable = "touch"
args = ["${self.output}"]
outputs = "first.txt"

[campaign.each]
workflow = "command"
executable = "cp"
output_dir = "results/each"
args = ["${first.output}", "${self.copy}"]
outputs = { copy = "${self.output_dir}/copy.txt" }
matrix = { band = ["f090", "f150"], tube = ["i1", "i3"] }

[campaign.by-band]
workflow = "command"
executable = "cat"
args = ["${each.copy}"]
outputs = { all = "results/${self.band}.txt" }
matrix = { band = ["f090", "f150"] }

[campaign.maps]
workflow = "ml-null-tests"
context = "context.yaml"
area = "first.txt"
preprocess_config = "preprocess.yaml"
output_dir = "results/null"
depends_on = ["by-band"]
[campaign.maps.mission-tests]
chunk_duration = "10s"
nsplits = 2

[campaign.last]
workflow = "command"
executable = "ls"
args = ["${maps-mission-tests.map}", "${first.output}", "${by-band.all}"]

[campaign.alone]
workflow = "command"
executable = "true"
"""


@dataclass(frozen=True)
class Folder:
    """The folder of the campaign."""

    path: Path

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment there."""
        return run_program(*words, folder=self.path, check=False)

    def says(self, *words: str) -> str:
        """Return what a program says, which must succeed."""
        done = self.call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
