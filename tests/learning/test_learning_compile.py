"""A campaign that says `learn`: what its jobs ask for, what that rests on, and that nothing runs again."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from learning_records import facts, record
from programs import run_program

from socm.compile import Compiled, compile_campaign, write
from socm.diagnostics import DiagnosticError
from socm.formats.document import write_document
from socm.formats.job_usage import JobUsage, read_usage

CAMPAIGN = """\
[campaign]
name = "learning"
resource = "{cluster}"

[campaign.defaults]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
resources = {{ memory = "64G", runtime = "4h", {learn} }}

[campaign.few]
workflow = "ml-mapmaking"
output_dir = "results/few"
query = "data/few.txt"

[campaign.tests]
workflow = "ml-null-tests"
output_dir = "results/null"
mission-tests = {{ nsplits = 4, chunk_duration = "2h" }}
"""
MAPS = ("few", "tests-mission-tests")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observations")
    run_program("socm", "simulate", "data", "--obsdb-only", "60", folder=folder)
    (folder / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (folder / "data/preprocess.yaml").write_text("process_pipe: []\n")
    with closing(sqlite3.connect(folder / "data/obsdb.sqlite")) as database:
        ids = [row[0] for row in database.execute("select obs_id from obs order by obs_id limit 5")]
    (folder / "data/few.txt").write_text("\n".join(ids) + "\n")
    return folder / "data"


@pytest.fixture
def folder(tmp_path: Path, data: Path) -> Path:
    (tmp_path / "data").symlink_to(data)
    return tmp_path


def compiled(folder: Path, learn: str = "learn = true", cluster: str = "tiger3") -> Compiled:
    (folder / "campaign.toml").write_text(CAMPAIGN.format(learn=learn, cluster=cluster))
    found = compile_campaign(folder / "campaign.toml")
    write(found)
    return found


def leave_records(folder: Path, found: Compiled, cluster: str | None = None) -> dict[str, JobUsage]:
    """Let each map leave a record: 400 MB and 100 MB an observation, 2 min and 30 s an observation."""
    records = {}
    for rule, job in found.plan.jobs():
        if rule.name not in MAPS:
            continue
        of = rule.facts(job)
        if cluster:
            of = of.model_copy(update={"cluster": cluster})
        count = of.size["observations"]
        used = record(of, 400 + 100 * count, 120 + 30 * count, rule=rule.name)
        used = used.model_copy(update={"job": job.name})
        path = folder / "logs" / f"{rule.name}/{job.name}.usage.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_document(path, used)
        records[f"{rule.name} {job.name}"] = used
    return records


def rows_of(folder: Path) -> dict[str, dict]:
    return {
        f"{table.stem} {name}": row
        for table in sorted((folder / "workflow/jobs").glob("*.json"))
        for name, row in json.loads(table.read_text()).items()
    }


def codes(found: Compiled) -> list[str]:
    return [diagnostic.code for diagnostic in found.diagnostics]


def test_until_jobs_have_run_they_ask_for_what_the_table_says(folder: Path):
    found = compiled(folder)
    assert codes(found).count("nothing-learnt") == 2  # each rule of maps
    maps = [row for name, row in rows_of(folder).items() if name.split()[0] in MAPS]
    assert {(row["mem_mb"], row["runtime"]) for row in maps} == {(64_000, 240)}
    assert {row["rests_on"] for row in maps} == {"no job of its kind has succeeded"}


def test_each_job_asks_for_what_it_is_expected_to_use_and_says_why(folder: Path):
    records = leave_records(folder, compiled(folder))
    found = compiled(folder)
    assert "nothing-learnt" not in codes(found)
    rows = rows_of(folder)
    for name, used in records.items():
        # Snakemake's own 300 MB and 1 min come on top.
        assert 1.2 * used.memory_mb <= rows[name]["mem_mb"] - 300 <= 1.5 * used.memory_mb
        assert (
            used.elapsed_seconds * 1.25 <= (rows[name]["runtime"] - 1) * 60 <= 1.5 * used.elapsed_seconds + 60
        )
        assert re.fullmatch(r"5 jobs on tiger3, \d of them like it", rows[name]["rests_on"])
    assert len({rows[name]["mem_mb"] for name in records}) > 2


@pytest.mark.parametrize(
    ("learn", "learnt"),
    [
        ('learn = "memory"', (True, False)),
        ('learn = ["runtime"]', (False, True)),
        ('learn = ["memory", "runtime"]', (True, True)),
        ("learn = false", (False, False)),
        ("learn = []", (False, False)),
    ],
)
def test_only_what_is_named_is_learnt(folder: Path, learn: str, learnt: tuple[bool, bool]):
    leave_records(folder, compiled(folder))
    compiled(folder, learn)
    row = rows_of(folder)["few "]
    assert (row.get("mem_mb", 64_000) != 64_000, row.get("runtime", 240) != 240) == learnt


def test_learning_changes_no_job(folder: Path):
    """What Snakemake compares, and so what runs again, is the same with and without."""
    before = compiled(folder, "learn = false")
    identities = identities_of(folder, before)
    leave_records(folder, before)
    after = compiled(folder)
    assert rows_of(folder)["few "]["mem_mb"] != 64_000
    assert identities_of(folder, after) == identities


def identities_of(folder: Path, found: Compiled) -> object:
    manifest = json.loads((folder / "workflow/manifest.json").read_text())
    shells = {name: rule["shell"] for name, rule in manifest["rules"].items()}
    kept = ("command", "setup", "inputs", "outputs", "observations")
    rows = {name: {key: row.get(key) for key in kept} for name, row in rows_of(folder).items()}
    return shells, rows


def test_a_retry_asks_for_more(folder: Path):
    """The functions are those of the workflow, as Snakemake calls them."""
    leave_records(folder, compiled(folder))
    compiled(folder)
    names = {
        "workflow": SimpleNamespace(is_main_process=False, basedir=str(folder / "workflow")),
        "shell": SimpleNamespace(prefix=print, suffix=print),
    }
    exec((folder / "workflow/common.smk").read_text(), names)
    names["JOBS"] = {"few": names["read_lines"]("jobs/few.json")}
    text = (folder / "workflow/rules/few.smk").read_text()
    for name in ("mem_mb", "runtime"):
        [call] = re.findall(rf"\b{name}=(growing_of\(.*\)),", text)
        function = eval(call, names)  # noqa: S307
        asked = [function({}, attempt=attempt) for attempt in (1, 2, 3)]
        assert asked[0] == rows_of(folder)["few "][name]
        assert asked[1] >= 1.5 * asked[0]
        assert asked[2] >= 1.5 * asked[1] - 1


def test_another_campaign_is_learnt_from_where_it_is_named(folder: Path, tmp_path_factory, data: Path):
    other = tmp_path_factory.mktemp("other")
    (other / "data").symlink_to(data)
    leave_records(other, compiled(other))
    compiled(folder)
    assert rows_of(folder)["few "]["mem_mb"] == 64_000
    compiled(folder, f'learn = true, learn_from = ["{other}"]')
    assert rows_of(folder)["few "]["mem_mb"] < 3000
    compiled(folder, 'learn = true, learn_from = ["."]')  # the campaign itself counts once
    assert rows_of(folder)["few "]["mem_mb"] == 64_000


def test_run_times_of_another_cluster_are_told_and_not_taken(folder: Path):
    leave_records(folder, compiled(folder), cluster="perlmutter")
    found = compiled(folder)
    [note, *_] = [one for one in found.diagnostics if one.code == "learnt-elsewhere"]
    assert "perlmutter and not on tiger3: run times are what the table says" in note.message
    row = rows_of(folder)["few "]
    assert (row["mem_mb"] < 3000, row["runtime"]) == (True, 240)


def test_what_no_node_can_give_is_not_asked_for(folder: Path):
    found = compiled(folder)
    for rule, job in found.plan.jobs():
        if rule.name == "few":
            used = record(rule.facts(job), 9_000_000, 60, rule="few").model_copy(update={"job": ""})
            (folder / "logs").mkdir(exist_ok=True)
            write_document(folder / "logs/few.usage.json", used)
    found = compiled(folder)
    assert "learnt-too-large" in codes(found)
    assert rows_of(folder)["few "].get("mem_mb", 64_000) == 64_000


def broken_texts(text: str) -> Iterator[bytes]:
    """Yield what may have become of a record: cut off anywhere, of another shape, or of nonsense amounts."""
    yield from (text[:end].encode() for end in range(0, len(text) - 2, 7))
    yield from (b"[]", b"null", b"\xff\xfe", b"\0" * 200, text.replace('"format": 1', '"format": 2').encode())
    keys = json.loads(text)
    tables = [keys, keys["facts"], keys["facts"]["size"]]
    for table in tables:
        for key, value in list(table.items()):
            if table is not keys["facts"]["size"]:
                del table[key]
                yield json.dumps(keys).encode()
            for wrong in (None, "3", [], -1, 1e300, float("nan"), float("inf")):
                table[key] = wrong
                # An exit code may be any integer, facts may be none, and nodes may be.
                if (key, wrong) not in [("facts", None), ("exit_code", -1), ("nodes", [])] and not (
                    isinstance(value, str) and isinstance(wrong, str)
                ):
                    yield json.dumps(keys).encode()
            table[key] = value


def test_whatever_becomes_of_a_record_it_is_named_and_left_out(tmp_path: Path):
    used = record(facts(observations=10, pixels=1e6), 1000, 60)
    good, bad = tmp_path / "logs/good.usage.json", tmp_path / "logs/bad.usage.json"
    good.parent.mkdir()
    write_document(good, used)
    texts = list(broken_texts(good.read_text()))
    assert len(texts) > 150
    for text in texts:
        bad.write_bytes(text)
        assert read_usage(tmp_path) == ((used,), (bad,)), text


def test_records_that_are_lost_or_damaged_lower_no_request_below_what_the_others_say(
    tmp_path: Path, data: Path
):
    (tmp_path / "data").symlink_to(data)
    records = leave_records(tmp_path, compiled(tmp_path))
    whole = {path: path.read_bytes() for path in sorted((tmp_path / "logs").rglob("*.usage.json"))}
    assert len(whole) == len(records) == 5

    def requests() -> tuple[list[str], dict[str, tuple[int, int]]]:
        found = compiled(tmp_path)
        rows = rows_of(tmp_path)
        return codes(found), {name: (rows[name]["mem_mb"], rows[name]["runtime"]) for name in records}

    for path, content in whole.items():
        path.unlink()
        said, without = requests()
        assert "damaged-records" not in said
        path.write_bytes(content[: len(content) // 2])
        said, damaged = requests()
        assert "damaged-records" in said
        assert damaged == without
        path.write_bytes(content)
        for name, used in records.items():
            if not path.match(f"{name.replace(' ', '/').rstrip('/')}.usage.json"):
                assert without[name][0] >= used.memory_mb + 300
                assert without[name][1] * 60 >= used.elapsed_seconds + 60
    for path in whole:
        path.write_bytes(b"")
    said, none = requests()
    assert {"damaged-records", "nothing-learnt"} <= {*said}
    assert {*none.values()} == {(64_000, 240)}


def test_what_was_not_enough_is_not_asked_for_again(folder: Path):
    found = compiled(folder)
    for rule, job in found.plan.jobs():
        if rule.name == "few":
            used = record(rule.facts(job), 96_000, 5 * 3600, exit_code=137, rule="few")
            (folder / "logs").mkdir(exist_ok=True)
            write_document(folder / "logs/few.usage.json", used.model_copy(update={"job": ""}))
    found = compiled(folder)
    assert "nothing-learnt" in codes(found)
    rows = rows_of(folder)
    assert rows["few "]["mem_mb"] > 96_000
    assert rows["few "]["runtime"] > 300
    others = [row for name, row in rows.items() if name.startswith("tests-mission-tests ")]
    assert {(row["mem_mb"], row["runtime"]) for row in others} == {(64_000, 240)}


def test_sources_that_are_none_stop_the_compile_at_their_place(folder: Path):
    compiled(folder)
    (folder / "campaign.toml").write_text(
        CAMPAIGN.format(learn='learn = true, learn_from = ["nowhere", "data"]', cluster="tiger3")
    )
    with pytest.raises(DiagnosticError) as stop:
        compile_campaign(folder / "campaign.toml")
    found = [one for one in stop.value.diagnostics if one.code == "bad-learn-source"]
    assert [one.message for one in found][:2] == ["nowhere does not exist", "data holds no compiled campaign"]


def test_a_new_record_is_seen_by_the_next_compile(folder: Path):
    """A compile that would find nothing changed is skipped: a record is something that it reads."""
    found = compiled(folder)
    run_program("socm", "compile", "campaign.toml", folder=folder, check=False)
    leave_records(folder, found)
    run_program("socm", "compile", "campaign.toml", folder=folder)
    assert rows_of(folder)["few "]["mem_mb"] < 3000
