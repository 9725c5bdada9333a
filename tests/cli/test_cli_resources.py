"""`socm resources`: asked, used, suggested and wasted, and the campaign file that gets what is suggested."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from programs import Socm, run_program

from socm.compile import Compiled, compile_campaign, write
from socm.formats.document import write_document
from socm.formats.job_usage import JobUsage

CAMPAIGN = """\
# A campaign of two workflows.
[campaign]
name = "resources"
resource = "tiger3"

[campaign.defaults]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
resources = { memory = "64G", runtime = "4h" }

# All of it.
[campaign.all]
workflow = "ml-mapmaking"
output_dir = "results/all"   # beside the tests

[campaign.few]
workflow = "ml-mapmaking"
output_dir = "results/few"
query = "data/few.txt"
resources = { ranks = 2, threads = 4 } # 8 cores

# Tests.
[campaign.tests]
workflow = "ml-null-tests"
output_dir = "results/null"
mission-tests = { nsplits = 4, chunk_duration = "2h" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run_program("socm", "simulate", "data", "--obsdb-only", "60", folder=tmp_path)
    (tmp_path / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (tmp_path / "data/preprocess.yaml").write_text("process_pipe: []\n")
    with closing(sqlite3.connect(tmp_path / "data/obsdb.sqlite")) as database:
        ids = [row[0] for row in database.execute("select obs_id from obs order by obs_id limit 6")]
    (tmp_path / "data/few.txt").write_text("\n".join(ids) + "\n")
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leave(folder: Path, found: Compiled, rule: str, memory_mb: float, seconds: float, busy: float) -> None:
    """Let the jobs of a rule leave records; `busy` is the part of their cores that works."""
    [planned] = [one for one in found.plan.rules if one.name == rule]
    for job in planned.spec.jobs:
        of = planned.facts(job)
        used = JobUsage(
            rule=rule,
            job=job.name,
            facts=of,
            exit_code=0,
            ended=1.7e9,
            elapsed_seconds=seconds,
            cpu_seconds=seconds * of.cores * busy,
            memory_mb=memory_mb,
            node_memory_mb=memory_mb,
            nodes=("n1",),
            ranks=0,
            source="shell",
        )
        path = folder / "logs" / f"{f'{rule}/{job.name}' if job.name else rule}.usage.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_document(path, used)


def compiled(folder: Path) -> Compiled:
    found = compile_campaign(folder / "campaign.toml")
    write(found)
    return found


def rules_of(socm: Socm) -> dict[str, dict]:
    done = socm("resources", "campaign.toml", "--format", "json")
    assert done.code == 0, done.err
    return {rule["rule"]: rule for rule in json.loads(done.out)["rules"]}


def test_what_was_asked_used_and_wasted(folder: Path, socm: Socm):
    leave(folder, compiled(folder), "few", memory_mb=20_000, seconds=3600, busy=0.5)
    rules = rules_of(socm)
    few, everything = rules["few"], rules["all"]
    assert few["asked"] == {"memory_mb": 64_000, "runtime_minutes": 240}
    assert few["used"]["memory_mb"] == {"median": 20_000, "usual": 20_000, "worst": 20_000}
    # 1.3 times and what Snakemake takes, two digits; 1.5 times and its minute.
    assert few["suggested"] == {"memory_mb": 27_000, "runtime_minutes": 91}
    # 8 cores of 112, and 64 of 1,000 GB, which come with 7.2 cores; 4 cores did work for an hour.
    assert few["core_hours"]["held"] == pytest.approx(8, rel=0.01)
    assert few["core_hours"]["wasted"] == pytest.approx(4, rel=0.01)
    assert (few["ran"], everything["ran"], everything["suggested"]["memory_mb"]) == (1, 0, None)


def test_memory_that_nobody_used_is_wasted_cores(folder: Path, socm: Socm):
    leave(folder, compiled(folder), "all", memory_mb=5_000, seconds=3600, busy=1)
    held, wasted = (rules_of(socm)["all"]["core_hours"][name] for name in ("held", "wasted"))
    assert held == pytest.approx(64_000 / (1_000_000 // 112), rel=0.01)
    assert wasted == pytest.approx(held - 1, rel=0.01)  # its one core serves 8.9 GB


def test_jobs_that_have_still_to_run_count_with_what_they_are_expected_to_use(folder: Path, socm: Socm):
    found = compiled(folder)
    leave(folder, found, "tests-mission-tests", memory_mb=20_000, seconds=3600, busy=1)
    before = rules_of(socm)["tests-mission-tests"]["suggested"]["memory_mb"]
    for record in sorted((folder / "logs/tests-mission-tests").iterdir())[1:]:
        record.unlink()
    after = rules_of(socm)["tests-mission-tests"]
    assert after["ran"] == 1
    assert after["suggested"]["memory_mb"] == before == 27_000


def test_a_job_that_failed_is_not_sized_by_those_that_did_not(folder: Path, socm: Socm):
    leave(folder, compiled(folder), "tests-mission-tests", memory_mb=20_000, seconds=3600, busy=1)
    path = sorted((folder / "logs/tests-mission-tests").iterdir())[0]
    killed = {"exit_code": 137, "memory_mb": 64_000.0, "elapsed_seconds": 7200.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | killed))
    suggested = rules_of(socm)["tests-mission-tests"]["suggested"]
    assert suggested["memory_mb"] >= 1.3 * 64_000
    assert suggested["runtime_minutes"] >= 1.5 * 120


def test_write_changes_the_resources_and_nothing_else(folder: Path, socm: Socm):
    found = compiled(folder)
    leave(folder, found, "few", memory_mb=20_000, seconds=3600, busy=1)
    leave(folder, found, "tests-mission-tests", memory_mb=700, seconds=40, busy=1)
    assert socm("resources", "campaign.toml", "--write").code == 0
    text = (folder / "campaign.toml").read_text()
    few = 'resources = { ranks = 2, threads = 4, memory = "27G", runtime = "1h31m"} # 8 cores'
    tests = (
        'mission-tests = { nsplits = 4, chunk_duration = "2h", resources = {memory = "1.3G", runtime = "2m"}}'
    )
    old = {
        few: "resources = { ranks = 2, threads = 4 } # 8 cores",
        tests: 'mission-tests = { nsplits = 4, chunk_duration = "2h" }',
    }
    for new, before in old.items():
        assert new in text
        text = text.replace(new, before)
    assert text == CAMPAIGN
    again = compile_campaign(folder / "campaign.toml")
    asked = {rule.name: rule.spec.resources for rule in again.plan.rules}
    assert (asked["few"].memory, asked["few"].runtime, asked["few"].ranks) == (27_000, 91, 2)
    assert asked["all"].memory == 64_000


def test_without_records_nothing_is_written(folder: Path, socm: Socm):
    compiled(folder)
    done = socm("resources", "campaign.toml", "--write")
    assert done.code == 0
    assert "No job has left a record yet" in done.err
    assert (folder / "campaign.toml").read_text() == CAMPAIGN


def test_the_tables_name_every_workflow_and_job(folder: Path, socm: Socm, monkeypatch: pytest.MonkeyPatch):
    leave(folder, compiled(folder), "few", memory_mb=20_000, seconds=3600, busy=0.5)
    for columns in ("140", "60"):
        monkeypatch.setenv("COLUMNS", columns)
        shown = socm("resources", "campaign.toml", "--jobs").out
        assert "tests-mission-tests mission_split_4" in shown
        assert "20G, 60 min" in shown
        assert "27G, 1.5 h" in shown
        assert all(len(line) <= int(columns) for line in shown.splitlines())
