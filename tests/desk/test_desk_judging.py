"""Which files of a workspace are in doubt: not made yet, or made in a way that nothing tells of."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from programs import run_program

from socm.desk.judging import find_doubts
from socm.formats.document import format_document
from socm.formats.manifest import Manifest, RuleFacts

SPOILT = {
    "{}": "is of an older Snakemake and doesn't tell all",
    '{"record_format_version": 5, "params": ["\'another command\'"], "code": "another"}': "is of an older Snakemake",
    "": "is damaged",
    None: "has no record of how it was made",
}
"""What a record may hold, None for no file, and what is then said."""


def write_workspace(folder: Path, reads: dict[str, set[str]]) -> Path:
    """Write a workspace in which all jobs are done; `reads` are the jobs, each with those it reads from."""
    (folder / "workflow/jobs").mkdir(parents=True)
    records = folder / ".snakemake/metadata"
    records.mkdir(parents=True)
    (folder / "results").mkdir()
    code = hashlib.sha256(b"code").hexdigest()
    facts = RuleFacts(workflow="w", shell=code, environment={}, cores=1, runtime_minutes=1)
    for job, sources in reads.items():
        inputs = {source: f"results/{source}" for source in sorted(sources)}
        row = {"command": f"make {job}", "inputs": inputs, "outputs": {"map": f"results/{job}"}}
        (folder / f"workflow/jobs/{job}.json").write_text(json.dumps({"": row}))
        (folder / f"results/{job}").write_text(job)
        os.utime(folder / f"results/{job}", (1.7e9, 1.7e9))
        record = {
            "record_format_version": 6,
            "code": "code",
            "params": [repr(f"make {job}")],
            "input": sorted(inputs.values()),
            "input_checksums": {
                f"results/{source}": hashlib.sha256(source.encode()).hexdigest() for source in sources
            },
        }
        record_of(folder, f"results/{job}").write_text(json.dumps(record))
    manifest = Manifest(
        socm="0",
        campaign="c",
        sources={},
        observations=(),
        null_tests=(),
        files={},
        rules=dict.fromkeys(reads, facts),
    )
    (folder / "workflow/manifest.json").write_bytes(format_document(manifest))
    return folder


def record_of(folder: Path, output: str) -> Path:
    return folder / ".snakemake/metadata" / base64.urlsafe_b64encode(output.encode()).decode()


@pytest.mark.parametrize("seed", range(20))
def test_all_that_was_made_of_a_file_without_a_record_is_unknown_and_nothing_else(tmp_path, seed):
    chance = random.Random(seed)
    jobs = [f"job{number}" for number in range(8)]
    reads = {job: {one for one in jobs[:place] if chance.random() < 0.25} for place, job in enumerate(jobs)}
    # The order of rules in a manifest is no order of making.
    shuffled = dict(chance.sample(sorted(reads.items()), len(reads)))
    workspace = write_workspace(tmp_path / "ws", shuffled)
    assert find_doubts(workspace) == ({}, {})

    spoilt = dict.fromkeys(chance.sample(jobs, chance.randint(1, 2)))
    for job in spoilt:
        content, spoilt[job] = chance.choice(list(SPOILT.items()))
        record = record_of(workspace, f"results/{job}")
        record.unlink() if content is None else record.write_text(content)
    unsettled, unknown = find_doubts(workspace)
    assert unsettled == {}
    roots: dict[str, set[str]] = {}
    for job in jobs:
        roots[job] = {job} if job in spoilt else set().union(*(roots[source] for source in reads[job]))
    assert {path.name for path in unknown} == {job for job in jobs if roots[job]}
    for path, reason in unknown.items():
        assert any(reason.startswith(f"{job}: ") and str(spoilt[job]) in reason for job in roots[path.name])


CHAIN = """\
[campaign]
name = "chain"

[campaign.first]
workflow = "command"
executable = "touch"
args = ["${self.made}"]
outputs = { made = "results/first.txt" }
temporary = ["made"]

[campaign.second]
workflow = "command"
executable = "touch"
args = ["${self.made}"]
outputs = { made = "results/second.txt" }
inputs = { text = "${first.made}" }
"""


@pytest.mark.snakemake
def test_records_in_a_database_are_named_and_a_touch_writes_them_to_files(tmp_path):
    def snakemake(*arguments: str) -> None:
        run_program("snakemake", "--profile", "local", *arguments, folder=tmp_path)

    (tmp_path / "campaign.toml").write_text(CHAIN)
    run_program("socm", "compile", "campaign.toml", folder=tmp_path)
    snakemake()
    assert find_doubts(tmp_path) == ({}, {}), "a file that is temporary keeps its record"

    shutil.rmtree(tmp_path / ".snakemake")
    snakemake("--forceall", "--persistence-backend", "db")
    reason = "no file says how it was made, and .snakemake/metadata.db isn't read (--persistence-backend db)"
    assert find_doubts(tmp_path)[1][tmp_path / "results/second.txt"] in (
        f"first: {reason}",
        f"second: {reason}",
    )
    snakemake("--touch", "--forceall")
    assert find_doubts(tmp_path) == ({}, {})
