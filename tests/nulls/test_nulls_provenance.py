"""What a report says of where its numbers come from, for a campaign that was compiled."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from socm.nulls.report.provenance import read_provenance

CAMPAIGN = """\
[campaign]
name = "survey"

[campaign.ml-null-tests]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"
query = "az_center < 180"

[campaign.ml-null-tests.pwv-tests]
nsplits = 2
"""


def compiled_provenance(folder: Path) -> dict[str, str]:
    subprocess.run([sys.executable, "-m", "socm", "compile", "campaign.toml"], cwd=folder, check=True)
    return read_provenance(folder, [])


def test_campaign_and_database_are_named_with_their_digests(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "socm", "simulate", "data", "--obsdb-only", "300"]
    subprocess.run(words, cwd=tmp_path, check=True)
    (tmp_path / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (tmp_path / "data/preprocess.yaml").write_text("process_pipe: []\n")
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    with closing(sqlite3.connect(tmp_path / "data/obsdb.sqlite")) as database:
        (count,) = database.execute("SELECT count(*) FROM obs WHERE az_center < 180").fetchone()
    assert 0 < count < 300

    first = compiled_provenance(tmp_path)
    assert first["campaign"] == "survey"
    assert first["digest of campaign.toml"] == hashlib.sha256(CAMPAIGN.encode()).hexdigest()
    of = f"{count} observations of data/context.yaml, query az_center < 180"
    assert of in first

    def change(selected: bool) -> dict[str, str]:
        with closing(sqlite3.connect(tmp_path / "data/obsdb.sqlite")) as database, database:
            database.execute(
                "UPDATE obs SET pwv_mean = pwv_mean + 1 WHERE obs_id = "
                "(SELECT obs_id FROM obs WHERE (az_center < 180) = ? LIMIT 1)",
                (selected,),
            )
        return compiled_provenance(tmp_path)

    assert change(selected=False) == first
    assert change(selected=True)[of] != first[of]
