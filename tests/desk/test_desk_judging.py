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
from click.testing import CliRunner
from programs import run_program

from socm.cli.main import cli
from socm.desk.judging import find_doubts
from socm.formats.document import format_document
from socm.formats.manifest import Manifest, RuleFacts
from socm.workspace.status import read_status

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


def spoil(workspace: Path, what: str) -> tuple[set[str], str]:
    """Spoil what tells how the files of three jobs in a row were made; return of which, and what is said then."""
    snakemake = workspace / ".snakemake"
    record = record_of(workspace, "results/job1")
    match what:
        case "no folder":
            shutil.rmtree(snakemake)
        case "a file for the folder":
            shutil.rmtree(snakemake)
            snakemake.touch()
        case "a file for the records":
            shutil.rmtree(snakemake / "metadata")
            (snakemake / "metadata").touch()
        case "a link that is no more":
            shutil.rmtree(snakemake)
            snakemake.symlink_to("elsewhere")
        case "a database":
            shutil.rmtree(snakemake / "metadata")
            (snakemake / "metadata.db").touch()
            return {"job0", "job1", "job2"}, "isn't read (--persistence-backend db)"
        case "records loop":
            shutil.rmtree(snakemake / "metadata")
            (snakemake / "metadata").symlink_to("metadata")
            return {"job0", "job1", "job2"}, "can't be read: Too many levels of symbolic links"
        case "markers loop":
            (snakemake / "incomplete").symlink_to("incomplete")
            return {"job0", "job1", "job2"}, "whether it was cut off can't be seen: Too many levels"
        case "a record is a folder":
            record.unlink()
            record.mkdir()
            return {"job1"}, "can't be read: Is a directory"
        case "a record loops":
            record.unlink()
            record.symlink_to(record.name)
            return {"job1"}, "can't be read: Too many levels of symbolic links"
        case "an output loops":
            (workspace / "results/job2").unlink()
            (workspace / "results/job2").symlink_to("job2")
            return {"job2"}, "results/job2 can't be seen: Too many levels of symbolic links"
        case "a newer kind of text":
            record.write_bytes(b"\xff\xfe{}")
            return {"job1"}, "is damaged"
    return {"job0", "job1", "job2"}, "has no record of how it was made"


WAYS = (
    "no folder",
    "a file for the folder",
    "a file for the records",
    "a link that is no more",
    "a database",
    "records loop",
    "markers loop",
    "a record is a folder",
    "a record loops",
    "an output loops",
    "a newer kind of text",
)


@pytest.mark.parametrize("way", WAYS)
def test_status_calls_done_what_a_judgement_believes_and_nothing_else(tmp_path, way):
    workspace = write_workspace(tmp_path / "ws", {"job0": set(), "job1": {"job0"}, "job2": {"job1"}})
    assert {job.state for job in read_status(workspace).jobs} == {"done"}
    spoilt, reason = spoil(workspace, way)
    status = read_status(workspace)
    assert {job.rule for job in status.jobs if job.state == "unknown"} == spoilt
    assert {job.rule for job in status.jobs if job.state == "done"} == {"job0", "job1", "job2"} - spoilt
    assert all(reason in job.why for job in status.jobs if job.state == "unknown")
    assert status.is_done, "nothing is left to run"
    shown = CliRunner().invoke(cli, ["status", str(workspace)]).output
    assert f"c: {3 - len(spoilt)} of 3 jobs done" in shown
    assert reason[:20] in " ".join(shown.split())
    unsettled, unknown = find_doubts(workspace)
    assert not unsettled
    assert spoilt <= {path.name for path in unknown}
    assert all(reason in why for why in unknown.values())


def test_what_another_user_can_not_see_is_unknown(open_path):
    if (uid := os.geteuid()) != 0:
        pytest.skip("only root can become another user")
    workspace = write_workspace(open_path / "ws", {"job0": set(), "job1": {"job0"}})
    assert read_status(workspace).is_done, "and all is imported"
    for closed in (".snakemake", ".snakemake/metadata", "results"):
        (workspace / closed).chmod(0o700)
        os.seteuid(7001)
        try:
            jobs, (unsettled, unknown) = read_status(workspace).jobs, find_doubts(workspace)
        finally:
            os.seteuid(uid)
        (workspace / closed).chmod(0o755)
        assert {job.state for job in jobs} == {"unknown"}, closed
        assert all("Permission denied" in str(job.why) for job in jobs)
        assert {path.name for path in unknown} == {"job0", "job1"}
        assert not unsettled


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
def test_a_touch_writes_records_where_there_are_none(tmp_path):
    def snakemake(*arguments: str) -> None:
        run_program("snakemake", "--profile", "local", *arguments, folder=tmp_path)

    (tmp_path / "campaign.toml").write_text(CHAIN)
    run_program("socm", "compile", "campaign.toml", folder=tmp_path)
    snakemake()
    assert find_doubts(tmp_path) == ({}, {}), "a file that is temporary keeps its record"

    shutil.rmtree(tmp_path / ".snakemake")
    reason = "Snakemake has no record of how it was made"
    assert find_doubts(tmp_path)[1][tmp_path / "results/second.txt"] in (
        f"first: {reason}",
        f"second: {reason}",
    )
    snakemake("--touch", "--forceall")
    assert find_doubts(tmp_path) == ({}, {})
