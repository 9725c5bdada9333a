"""`socm diff` says what Snakemake then does: each change is made for real, and the two are compared."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from diff_workspace import QuickWorkspace, jobs_of, why_of

pytestmark = [pytest.mark.snakemake, pytest.mark.slow]

MAPS = {"maps i1", "maps i2"}
EVERYTHING = {*MAPS, "settings", "scratch", "summary"}
AFTER_MAPS = {"summary", "scratch", "settings"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> QuickWorkspace:
    """The workspace after one whole run."""
    workspace = QuickWorkspace(tmp_path_factory.mktemp("diff") / "original")
    workspace.set_up()
    before = workspace.diff()
    workspace.compile()
    assert jobs_of(before, "new") == workspace.snakemake() == EVERYTHING
    return workspace


@pytest.fixture
def workspace(finished: QuickWorkspace, tmp_path: Path) -> QuickWorkspace:
    """A copy of the finished workspace, in another folder, with its time stamps."""
    shutil.copytree(finished.folder, tmp_path / "copy", copy_function=shutil.copy2)
    return QuickWorkspace(tmp_path / "copy")


def difference(workspace: QuickWorkspace) -> dict:
    """Return the difference, after making sure that it is what Snakemake would do, and that nothing is written."""
    before = workspace.stamps()
    found = workspace.diff()
    assert workspace.stamps() == before, "socm diff wrote something"
    workspace.compile()
    assert jobs_of(found) == workspace.snakemake("--dry-run")
    again = workspace.diff()
    assert jobs_of(again) == jobs_of(found), "the compile itself made a difference"
    return found


def test_nothing_runs_for_comments_orders_resources_and_thresholds(workspace):
    workspace.edit('name = "quick"', '# A comment.\nname = "quick"\nmin_coverage = 0.5')
    workspace.edit("maxiter = 5", 'resources = { memory = "2G", runtime = "3h" }\nmaxiter = 5')
    os.utime(workspace.folder / "settings.txt")
    os.utime(workspace.folder / "data/area.fits")
    found = difference(workspace)
    assert found["jobs"] == []
    assert found["counts"]["unchanged"] == 5


def test_a_changed_command_shows_its_words(workspace):
    workspace.edit("maxiter = 5", "maxiter = 6\nunit = 'pK'")
    found = difference(workspace)
    assert jobs_of(found, "changed") == MAPS
    why = why_of(found, "maps i1")
    assert why["command"]["removed"] == ["--maxiter=5"]
    assert why["command"]["added"] == ["--maxiter=6", "--unit=pK"]
    assert "summary" in jobs_of(found, "follows")


def test_observations_that_came_and_went_are_named(workspace):
    added = [workspace.observe(day, "i1") for day in range(10, 17)]
    gone = "obs_1700086400_lati1_100"
    workspace.forget(gone)
    found = difference(workspace)
    assert jobs_of(found, "changed") == {"maps i1"}
    why = why_of(found, "maps i1")["observations"]
    assert (why["added_count"], why["removed_count"]) == (7, 1)
    assert why["added"] == added[:5]
    assert why["removed"] == [gone]


def test_changed_content_of_an_input_is_told(workspace):
    (workspace.folder / "settings.txt").write_text("slow\n")
    found = difference(workspace)
    assert why_of(found, "settings")["input content"]["added"] == ["settings.txt"]
    assert jobs_of(found, "follows") == {"scratch", "summary"}


def test_another_input_is_told(workspace):
    (workspace.folder / "more.txt").write_text("more\n")
    workspace.edit(
        'inputs = { source = "settings.txt" }', 'inputs = { source = "settings.txt", more = "more.txt" }'
    )
    found = difference(workspace)
    assert why_of(found, "settings")["inputs"]["added"] == ["more.txt"]


@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_job_with_other_outputs_and_inputs_has_changed(workspace, count):
    """As the judgement of a test that gets more splits: its outputs aren't there yet, and it isn't as it was."""
    made = [f"more_{number}" for number in range(count)]
    for name in made:
        (workspace.folder / f"{name}.txt").write_text("more\n")
    inputs = "".join(f', {name} = "{name}.txt"' for name in made)
    workspace.edit('inputs = { source = "settings.txt" }', f'inputs = {{ source = "settings.txt"{inputs} }}')
    workspace.edit(
        'outputs = { made = "results/settings.txt" }',
        'outputs = { made = "results/settings.txt", other = "results/other.txt" }',
    )
    found = difference(workspace)
    assert "settings" in jobs_of(found, "changed")
    assert why_of(found, "settings")["inputs"]["added"] == sorted(f"{name}.txt" for name in made)
    assert not jobs_of(found, "unfinished")


def test_a_setup_file_is_told(workspace):
    (workspace.folder / "env.sh").write_text("export ANSWER=42\n")
    workspace.edit("maxiter = 5", 'environment = { setup = "env.sh", CMB = "yes" }\nmaxiter = 5')
    found = difference(workspace)
    why = why_of(found, "maps i2")
    assert set(why) == {"command", "setup", "inputs", "rule text"}
    assert why["command"]["added"] == ["env", "CMB=yes"]


def test_another_text_of_the_rule_is_told(workspace):
    for record in (workspace.folder / ".snakemake/metadata").iterdir():
        content = json.loads(record.read_text())
        if content["rule"] == "settings":
            content["code"] = f"true; {content['code']}"
            record.write_text(json.dumps(content))
    found = difference(workspace)
    assert set(why_of(found, "settings")) == {"rule text"}


def test_jobs_that_are_gone_leave_files_behind(workspace):
    workspace.edit('tube = ["i1", "i2"]', 'tube = ["i1"]')
    found = difference(workspace)
    (gone,) = found["gone"]
    assert (gone["rule"], gone["job"]) == ("maps", "i2")
    files = {file["path"]: file["bytes"] for file in gone["files"]}
    assert set(files) == {
        "results/maps/i2/pass1_sky_map.fits",
        "results/maps/i2/pass1_sky_map0010.fits",
        "results/maps/i2/sky_div.fits",
        "results/maps/i2/sky_hits.fits",
        "results/maps/i2/coverage.json",
        "logs/maps/i2.log",
        "benchmarks/maps/i2.tsv",
    }
    assert all((workspace.folder / path).stat().st_size == size for path, size in files.items())
    assert found["gone_bytes"] == sum(files.values())
    assert "maps i1" not in jobs_of(found)


def test_a_job_that_comes_back_is_made_already(workspace):
    workspace.edit('tube = ["i1", "i2"]', 'tube = ["i1"]')
    workspace.compile()
    workspace.edit('tube = ["i1"]', 'tube = ["i1", "i2"]')
    assert difference(workspace)["jobs"] == []


def test_a_change_that_was_compiled_and_taken_back_runs_nothing(workspace):
    workspace.edit("maxiter = 5", "maxiter = 7")
    workspace.compile()
    workspace.edit("maxiter = 7", "maxiter = 5")
    assert difference(workspace)["jobs"] == []


def test_a_new_workflow_is_new(workspace):
    text = 'workflow = "command"\nexecutable = "true"\n'
    workspace.edit(
        "[campaign.summary]",
        f"[campaign.more]\n{text}resources = {{ runtime = '30m', threads = 4 }}\n\n[campaign.summary]",
    )
    found = difference(workspace)
    (job,) = found["jobs"]
    assert (job["rule"], job["change"], job["why"]) == (
        "more",
        "new",
        [{"kind": "missing", "added": [], "removed": ["marks/more/more.done"]}],
    )
    assert (job["core_hours"], job["measured"]) == (2, False)
    assert found["core_hours"] == {"measured": 0, "asked_for": 2}


def test_core_hours_are_those_of_the_last_run(workspace):
    table = workspace.folder / "benchmarks/maps/i1.tsv"
    header, row = table.read_text().splitlines()
    cells = row.split("\t")
    cells[header.split("\t").index("s")] = "5400.0"
    table.write_text(f"{header}\n{chr(9).join(cells)}\n")
    workspace.edit("maxiter = 5", "maxiter = 6\nresources = { threads = 2 }")
    jobs = {f"{job['rule']} {job['job']}": job for job in difference(workspace)["jobs"]}
    assert (jobs["maps i1"]["core_hours"], jobs["maps i1"]["measured"]) == (3, True)


def test_what_was_lost_is_unfinished(workspace):
    (workspace.folder / "results/maps/i2/coverage.json").unlink()
    found = difference(workspace)
    assert jobs_of(found, "unfinished") == {"maps i2"}
    assert jobs_of(found, "follows") == {"summary", "scratch"}


def test_a_changed_job_that_was_never_made_shows_what_changed(workspace):
    (workspace.folder / "results/maps/i2/coverage.json").unlink()
    workspace.edit("maxiter = 5", "maxiter = 9")
    found = difference(workspace)
    assert jobs_of(found, "changed") == MAPS
    assert why_of(found, "maps i2")["command"]["added"] == ["--maxiter=9"]


def test_lost_records_leave_time_stamps_to_judge_by(workspace):
    shutil.rmtree(workspace.folder / ".snakemake/metadata")
    workspace.edit("maxiter = 5", "maxiter = 9")
    added = workspace.observe(20, "i2")
    found = difference(workspace)
    assert jobs_of(found, "changed") == {"maps i2"}
    assert added


def test_the_text_tells_it_all(workspace):
    workspace.edit("maxiter = 5", "maxiter = 6")
    workspace.edit('tube = ["i1", "i2"]', 'tube = ["i1", "i3"]')
    workspace.observe(30, "i3")
    for day in (10, 11):
        workspace.observe(day, "i1")
    before = workspace.stamps()
    said = workspace.run("socm", "diff", "campaign.toml")
    assert workspace.stamps() == before
    lines = [line.strip() for line in said.splitlines()]
    assert "1 job new" in lines
    assert "2 jobs changed" in lines
    assert "inputs: results/maps/i3/pass1_sky_map.fits, no more results/maps/i2/pass1_sky_map.fits" in lines
    assert "maps: 1 job, i3 (1 core hours as asked for)" in lines
    assert "command: --maxiter=5 → --maxiter=6" in lines
    assert "observations: 2 more (obs_1700864000_lati1_100, obs_1700950400_lati1_100)" in lines
    assert "1 job gone; their files stay behind" in lines
    assert any(line.startswith("maps i2: 7 files, ") for line in lines)
    assert "\x1b" not in said
    assert all(len(line) <= 110 for line in said.splitlines())


def test_the_command_prints_json_that_says_the_same(workspace):
    workspace.edit("maxiter = 5", "maxiter = 6")
    said = workspace.run("socm", "diff", "campaign.toml", "--format", "json")
    assert json.loads(said) == workspace.diff()
