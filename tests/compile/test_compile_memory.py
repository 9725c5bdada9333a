"""A test whose splits balance the sky keeps those it placed before, from one compile to the next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOCM = Path(sys.executable).parent / "socm"
CAMPAIGN = """\
[campaign.ml-null-tests]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"
query = "start_time < {before}"

[campaign.ml-null-tests.smart-split-tests]
nsplits = 4
chunk_duration = "2h"
"""


def splits_of(folder: Path) -> dict[str, str]:
    """Return observation → split, after a compile."""
    subprocess.run([SOCM, "compile", "campaign.toml"], cwd=folder, check=True, capture_output=True)
    files = (folder / "workflow/splits/smart-split-tests").glob("*.txt")
    return {line: file.stem for file in files for line in file.read_text().split()}


def test_observations_that_come_later_move_none(tmp_path):
    subprocess.run(
        [SOCM, "simulate", "data", "--obsdb-only", "400"], cwd=tmp_path, check=True, capture_output=True
    )
    (tmp_path / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (tmp_path / "data/preprocess.yaml").write_text("process_pipe: []\n")
    times = subprocess.run(
        [sys.executable, "-c", "import sqlite3; c = sqlite3.connect('data/obsdb.sqlite');"
         "print(*(row[0] for row in c.execute('select start_time from obs order by start_time')))"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    campaign = tmp_path / "campaign.toml"
    campaign.write_text(CAMPAIGN.format(before=times[250]))
    before = splits_of(tmp_path)
    campaign.write_text(CAMPAIGN.format(before=1e12))
    after = splits_of(tmp_path)
    assert len(after) > len(before) > 100
    assert {observation: after[observation] for observation in before} == before
