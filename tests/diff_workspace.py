"""A workspace whose jobs take no time: a campaign of every shape of job, run once by the real Snakemake."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from programs import run_program

from socm.cli.diff_view import difference_json
from socm.compile import compile_campaign, write
from socm.workspace.diff import compare

START_S = 1_700_000_000
DAY_S = 86_400

CAMPAIGN = """\
[campaign]
name = "quick"

[campaign.maps]
workflow = "ml-mapmaking"
executable = "sh"
subcommand = "mapper.sh"
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results/maps"
maxiter = 5

[campaign.maps.matrix]
tube = ["i1", "i2"]

[campaign.settings]
workflow = "command"
executable = "cp"
args = ["settings.txt", "results/settings.txt"]
inputs = { source = "settings.txt" }
outputs = { made = "results/settings.txt" }

[campaign.scratch]
workflow = "command"
executable = "cp"
args = ["results/settings.txt", "results/scratch.txt"]
inputs = { settings = "${settings.made}" }
outputs = { made = "results/scratch.txt" }
temporary = ["made"]

[campaign.summary]
workflow = "command"
executable = "cp"
args = ["results/scratch.txt", "results/summary.txt"]
inputs = { maps = "${maps.map}", scratch = "${scratch.made}" }
outputs = { summary = "results/summary.txt" }
"""

MAPPER = """\
mkdir -p "$3"
while read -r id; do
  echo "Processing $id:ws0:f090"
  echo "Datacount: $id:ws0:f090 added 10 20"
done < "$1"
for name in pass1_sky_map sky_div sky_hits pass1_sky_map0010; do cp "$1" "$3/$name.fits"; done
"""
"""Takes the arguments of the mapmaker and logs as it does; its maps are the lists of observations."""


@dataclass(frozen=True)
class QuickWorkspace:
    """The folder, and the programs that a user would type there."""

    folder: Path

    def set_up(self) -> None:
        """Write the campaign and everything that it reads."""
        data = self.folder / "data"
        data.mkdir(parents=True)
        (self.folder / "campaign.toml").write_text(CAMPAIGN)
        (self.folder / "mapper.sh").write_text(MAPPER)
        (self.folder / "settings.txt").write_text("quick\n")
        (data / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
        (data / "area.fits").write_bytes(b"SIMPLE")
        (data / "preprocess.yaml").write_text("process_pipe: []\n")
        with closing(sqlite3.connect(data / "obsdb.sqlite")) as connection, connection:
            connection.execute(
                "create table obs (obs_id text primary key, timestamp real, wafer_slots_list text, tube_slot text)"
            )
        for day in range(4):
            self.observe(day, "i1")
            self.observe(day, "i2")

    def observe(self, day: int, tube: str) -> str:
        """Put an observation into the database; return its id."""
        start_s = START_S + day * DAY_S
        name = f"obs_{start_s}_lat{tube}_100"
        with closing(sqlite3.connect(self.folder / "data/obsdb.sqlite")) as connection, connection:
            connection.execute("insert into obs values (?, ?, 'ws0', ?)", (name, start_s, tube))
        return name

    def forget(self, name: str) -> None:
        """Take an observation out of the database."""
        with closing(sqlite3.connect(self.folder / "data/obsdb.sqlite")) as connection, connection:
            connection.execute("delete from obs where obs_id = ?", (name,))

    def edit(self, before: str, after: str) -> None:
        """Change the campaign file."""
        file = self.folder / "campaign.toml"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))

    def run(self, *command: str) -> str:
        """Run a program of this environment in the folder; return what it said."""
        done = run_program(*command, folder=self.folder)
        return done.stdout + done.stderr

    def compile(self) -> None:
        """Compile the campaign."""
        write(compile_campaign(self.folder / "campaign.toml"))

    def snakemake(self, *options: str) -> set[str]:
        """Run Snakemake as a user does; return the jobs that it names."""
        said = self.run("snakemake", "--profile", "local", *options)
        return set(re.findall(r"^Job \d+: (.+), log: ", said, re.MULTILINE))

    def diff(self) -> dict:
        """Return what a compile would change."""
        compiled = compile_campaign(self.folder / "campaign.toml")
        return difference_json(compare(compiled.workspace, compiled.contents))

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return when each file was written, and its inode."""
        found = {}
        for parent, _, names in os.walk(self.folder):
            for name in names:
                path = Path(parent) / name
                found[str(path)] = (path.stat().st_mtime_ns, path.stat().st_ino)
        return found


def jobs_of(diff: dict, *kinds: str) -> set[str]:
    """Return the jobs of a difference, as Snakemake names them; of some kinds, or of all."""
    return {
        f"{job['rule']} {job['job']}".strip() for job in diff["jobs"] if not kinds or job["change"] in kinds
    }


def why_of(diff: dict, job: str) -> dict[str, dict]:
    """Return the reasons of one job by their kind."""
    (found,) = (one for one in diff["jobs"] if f"{one['rule']} {one['job']}".strip() == job)
    return {why["kind"]: why for why in found["why"]}
