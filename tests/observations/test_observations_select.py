"""Queries: what they select, and that they are one expression that changes nothing."""

from __future__ import annotations

import hashlib
import sqlite3
import string
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observation_rows import OBSERVATIONS, Rows, write_obsdb

from socm.diagnostics import Diagnostic, DiagnosticError, Severity
from socm.observations.context import Context, read_context
from socm.observations.select import select_observations
from socm.observations.table import ObservationTable

IDS = sorted(row["obs_id"] for row in OBSERVATIONS)
MakeContext = Callable[..., Context]


def select(context: Context, query: str, columns: list[str] | None = None) -> ObservationTable:
    return select_observations(context, query, base=context.path.parent, columns=columns)


def problem(context: Context, query: str) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        select(context, query)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


@pytest.mark.parametrize("query", ["1", "type = 'obs' OR 1", "(1)", "1 -- all of them", "1 /* ; ) */"])
def test_everything_is_sorted_by_id(make_context: MakeContext, query: str) -> None:
    assert select(make_context(OBSERVATIONS[::-1]), query).obs_id.tolist() == IDS


@pytest.mark.parametrize("query", ["", "   ", "\n\t"])
def test_an_empty_query_is_told(make_context: MakeContext, query: str) -> None:
    assert problem(make_context(), query).code == "empty-query"


def test_double_quotes_stand_for_single_ones(make_context: MakeContext) -> None:
    context = make_context()
    assert (
        select(context, 'type = "oper"').obs_id.tolist() == select(context, "type = 'oper'").obs_id.tolist()
    )
    assert len(select(context, 'type = "oper"')) == 1


def test_tags_are_reached_by_a_subquery(make_context: MakeContext) -> None:
    context = make_context(tags={IDS[3]: "planet"})
    query = "obs_id IN (SELECT obs_id FROM tags WHERE tag = 'planet')"
    assert select(context, query).obs_id.tolist() == [IDS[3]]
    told = problem(context, "planet = 1")
    assert told.code == "unknown-column"
    assert "tag = 'planet'" in (told.hint or "")


def test_columns_are_numbers_or_text_and_null_is_nan_or_nothing(make_context: MakeContext) -> None:
    rows = [{**row, "note": None if number else "words"} for number, row in enumerate(OBSERVATIONS)]
    table = select(make_context(rows), "1")
    assert table.columns["pwv_mean"].dtype == np.float64
    assert np.isnan(table.columns["pwv_mean"]).sum() == 1
    assert table.columns["note"].tolist() == ["words", *[""] * 9]
    assert set(table.available) == set(rows[0])


def test_bytes_are_no_number(make_context: MakeContext) -> None:
    rows = [{**row, "odd": 1.5} for row in OBSERVATIONS]
    rows[1] = {**rows[1], "odd": (7).to_bytes(8, "little")}
    values = select(make_context(rows), "1").columns["odd"]
    assert values.dtype == np.float64
    assert np.isnan(values).tolist() == [number == 1 for number in range(10)]


def test_only_the_columns_asked_for_are_read(make_context: MakeContext) -> None:
    table = select(make_context(), "1", ["az_center", "no_such_column"])
    assert set(table.columns) == {"obs_id", "az_center"}
    assert not table.has("no_such_column")


def test_a_table_does_not_change(make_context: MakeContext) -> None:
    table = select(make_context(), "1")
    with pytest.raises(ValueError, match="read-only"):
        table.columns["az_center"][0] = 1.0


def test_rows_are_taken_by_number(make_context: MakeContext) -> None:
    taken = select(make_context(), "1").take(np.array([4, 2]))
    assert taken.obs_id.tolist() == [IDS[4], IDS[2]]
    assert [*taken.lines()] == [IDS[2], IDS[4]]


class TestDerivedColumns:
    def test_times_stand_for_each_other(self, make_context: MakeContext) -> None:
        table = select(make_context(), "1", ["start_time", "stop_time"])
        start = np.array([row["timestamp"] for row in OBSERVATIONS])
        np.testing.assert_array_equal(table.columns["start_time"], start)
        np.testing.assert_array_equal(table.columns["stop_time"], start + 3600)
        assert table.derived == {"start_time": "timestamp", "stop_time": "start_time + duration"}

    def test_a_null_is_filled_and_a_value_is_kept(self, make_context: MakeContext) -> None:
        rows = [{**row, "stop_time": row["timestamp"] + 60} for row in OBSERVATIONS]
        rows[2] = {**rows[2], "stop_time": None}
        length = select(make_context(rows), "1", ["timestamp", "stop_time"])
        stop = length.columns["stop_time"] - length.columns["timestamp"]
        assert stop.tolist() == [60.0, 60.0, 3600.0, *[60.0] * 7]

    def test_an_end_is_a_stop(self, make_context: MakeContext) -> None:
        rows = [
            {**row, "start_time": row["timestamp"], "end_time": row["timestamp"] + 60} for row in OBSERVATIONS
        ]
        context = make_context(rows)
        table = select(context, "1", ["start_time", "stop_time"])
        assert set(table.columns["stop_time"] - table.columns["start_time"]) == {60.0}
        assert table.derived["stop_time"] == "end_time"
        assert problem(context, "stop_time < 5").hint == "write end_time"

    def test_a_query_for_an_end_that_is_not_there_says_what_to_write(self, make_context: MakeContext) -> None:
        rows = [{**row, "start_time": row["timestamp"]} for row in OBSERVATIONS]
        assert problem(make_context(rows), "end_time < 5").hint == "write start_time + duration"

    def test_wafers_and_telescope_are_read_from_the_id(self, make_context: MakeContext) -> None:
        table = select(make_context(), "1", ["wafer_slots_list", "telescope_flavor"])
        assert table.columns["wafer_slots_list"].tolist()[:2] == ["ws0,ws1,ws2", "ws0,ws1"]
        assert set(table.columns["telescope_flavor"]) == {"lat"}
        assert table.derived["wafer_slots_list"] == "obs_id"

    def test_a_sats_id(self, make_context: MakeContext) -> None:
        table = select(
            make_context([{"obs_id": "obs_1750770479_satp3_1010001", "timestamp": 1.0}]),
            "1",
            ["wafer_slots_list", "telescope", "telescope_flavor", "tube_slot"],
        )
        row = {name: values[0] for name, values in table.columns.items()}
        assert row["wafer_slots_list"] == "ws0,ws2,ws6"
        assert (row["telescope"], row["telescope_flavor"], row["tube_slot"]) == ("satp3", "sat", "st1")

    def test_what_cannot_be_known_is_not_made_up(self, make_context: MakeContext) -> None:
        table = select(make_context([{"obs_id": "1575600533.ar5_1", "timestamp": 1.0}]), "1")
        for name in ("wafer_slots_list", "tube_slot", "telescope", "stop_time", "duration"):
            assert not table.has(name)


class TestQueryFiles:
    def test_ids_comments_and_blank_lines(self, make_context: MakeContext, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text(
            f"# chosen by hand\n\n{IDS[5]} and more words\n  # no\n{IDS[1]}\n{IDS[5]}\n"
        )
        context = make_context()
        assert select(context, "ids.txt").obs_id.tolist() == [IDS[1], IDS[5]]
        assert select(context, f"file://{tmp_path}/ids.txt").obs_id.tolist() == [IDS[1], IDS[5]]

    def test_parts_keep_their_wafers_and_bands(self, make_context: MakeContext, tmp_path: Path) -> None:
        parts = [f"{IDS[0]}:ws1:f090", f"{IDS[0]}:ws0:f150"]
        (tmp_path / "ids.txt").write_text("\n".join([*parts, IDS[2]]))
        table = select(make_context(), "ids.txt", ["wafer_slots_list"])
        assert table.columns["wafer_slots_list"].tolist() == ["ws0,ws1", "ws0,ws1"]
        assert [*table.lines()] == sorted([*parts, IDS[2]])
        assert [*table.lines(np.array([1]))] == [IDS[2]]
        assert [*table.take(np.array([0])).lines()] == sorted(parts)

    def test_the_whole_swallows_its_parts(self, make_context: MakeContext, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text(f"{IDS[0]}:ws1:f090\n{IDS[0]}\n")
        assert [*select(make_context(), "ids.txt").lines()] == [IDS[0]]

    def test_many_ids(self, make_context: MakeContext, tmp_path: Path) -> None:
        rows = [{"obs_id": f"o{number:05}", "timestamp": float(number)} for number in range(4000)]
        (tmp_path / "ids.txt").write_text("\n".join(row["obs_id"] for row in rows[::-1]))
        assert select(make_context(rows), "ids.txt").columns["timestamp"].tolist() == list(range(4000))

    def test_an_unknown_id_is_told(self, make_context: MakeContext, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text(f"{IDS[0]}\nobs_1_lati1_111\n")
        told = problem(make_context(), "ids.txt")
        assert told.code == "unknown-observation"
        assert "1 of the 2 observations" in told.message
        assert "obs_1_lati1_111" in told.message

    def test_a_list_none_of_whose_ids_exists_is_told(self, make_context: MakeContext, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text("obs_1_lati1_111\nobs_2_lati1_111:ws0:f090\n")
        told = problem(make_context(), "ids.txt")
        assert told.code == "unknown-observation"
        assert "2 of the 2 observations" in told.message

    def test_a_line_that_is_no_id_is_told(self, make_context: MakeContext, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text(f"{IDS[0]}:ws0\n")
        assert problem(make_context(), "ids.txt").code == "query-file-syntax"

    @pytest.mark.parametrize(
        "query", ["nothing.txt", "file://nothing", "lists/nothing", "/nowhere/at/all.txt"]
    )
    def test_a_missing_file_is_told(self, make_context: MakeContext, query: str) -> None:
        assert problem(make_context(), query).code == "query-file-not-found"

    def test_an_empty_file_selects_nothing(self, make_context: MakeContext, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text("# none\n")
        assert problem(make_context(), "ids.txt").code == "query-selects-nothing"


class TestSeveralRowsAnObservation:
    ROWS = tuple(
        {"obs_id": obs_id, "wafer_slot": wafer, "bandpass": band, "timestamp": 5.0, "quality": quality}
        for obs_id, wafer, band, quality in [
            ("obs_5_lati1_110", "_all", "_all", 1.0),
            ("obs_5_lati1_110", "ws0", "f090", 2.0),
            ("obs_6_lati1_110", "ws1", "f150", 3.0),
            ("obs_6_lati1_110", "ws0", "f090", 4.0),
        ]
    )
    KEYS = ("obs_id", "wafer_slot", "bandpass")

    def test_one_row_an_observation(self, make_context: MakeContext) -> None:
        table = select(make_context(self.ROWS, keys=self.KEYS), "1", ["quality", "wafer_slots_list"])
        assert table.obs_id.tolist() == ["obs_5_lati1_110", "obs_6_lati1_110"]
        assert table.columns["quality"].tolist() == [1.0, 4.0]
        assert table.columns["wafer_slots_list"].tolist() == ["ws0,ws1", "ws0,ws1"]
        assert [*table.lines()] == ["obs_5_lati1_110", "obs_6_lati1_110:ws0:f090", "obs_6_lati1_110:ws1:f150"]

    def test_a_query_for_one_wafer_keeps_it(self, make_context: MakeContext) -> None:
        context = make_context(self.ROWS, keys=self.KEYS)
        table = select(context, "wafer_slot = 'ws1'", ["wafer_slots_list"])
        assert [*table.lines()] == ["obs_6_lati1_110:ws1:f150"]
        assert table.columns["wafer_slots_list"].tolist() == ["ws1"]


class TestProblems:
    def test_an_unknown_column_names_the_nearest(self, make_context: MakeContext) -> None:
        told = problem(make_context(), "pwv_men < 2")
        assert (told.code, told.hint, told.key) == ("unknown-column", "did you mean `pwv_mean`?", ())
        assert "az_center" in told.notes[0]

    def test_a_query_that_selects_nothing(self, make_context: MakeContext) -> None:
        told = problem(make_context(), "type = 'nothing'")
        assert told.code == "query-selects-nothing"
        assert "none of the 10 observations" in told.message

    @pytest.mark.parametrize(
        ("content", "why"),
        [(None, "does not exist"), (b"no database at all, but long enough" * 99, "not a database")],
    )
    def test_an_unreadable_database(self, tmp_path: Path, content: bytes | None, why: str) -> None:
        (tmp_path / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
        if content:
            (tmp_path / "obsdb.sqlite").write_bytes(content)
        told = problem(read_context(tmp_path / "context.yaml"), "1")
        assert told.code == "obsdb-unreadable"
        assert why in told.message

    def test_a_database_of_something_else(self, make_context: MakeContext, tmp_path: Path) -> None:
        context = make_context()
        (tmp_path / "obsdb.sqlite").unlink()
        with closing(sqlite3.connect(tmp_path / "obsdb.sqlite")) as database, database:
            database.execute("CREATE TABLE stars (name text)")
        assert "no table `obs`" in problem(context, "1").message

    def test_a_database_being_written(self, make_context: MakeContext, tmp_path: Path) -> None:
        context = make_context()
        writer = sqlite3.connect(tmp_path / "obsdb.sqlite", isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        try:
            told = problem(context, "1")
        finally:
            writer.execute("ROLLBACK")
            writer.close()
        assert told.code == "obsdb-unreadable"
        assert told.hint == "something else writes to it; try again"


HARMFUL = [
    "1; DROP TABLE obs",
    "1); DROP TABLE obs; --",
    "1) UNION SELECT * FROM obs WHERE (1",
    "1 UNION SELECT * FROM obs",
    "1 ORDER BY timestamp LIMIT 1",
    "1 GROUP BY type",
    "DELETE FROM obs",
    "obs_id IN (DELETE FROM obs RETURNING obs_id)",
    "1 AND (ATTACH DATABASE 'x.sqlite' AS x)",
    "load_extension('x')",
    "random() > 0",
    "obs_id IN (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)",
    "(1",
    "1)",
    "type = 'obs",
    "PRAGMA query_only = OFF",
    "1 /*",
]


@pytest.mark.parametrize("query", HARMFUL)
def test_a_query_is_one_expression_and_changes_nothing(
    make_context: MakeContext, tmp_path: Path, query: str
) -> None:
    context = make_context()
    before = hashlib.sha256((tmp_path / "obsdb.sqlite").read_bytes()).hexdigest()
    assert problem(context, query).code == "query-syntax"
    assert hashlib.sha256((tmp_path / "obsdb.sqlite").read_bytes()).hexdigest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context.yaml", "obsdb.sqlite"]


WORDS = st.sampled_from(
    [
        "1",
        "(",
        ")",
        ";",
        "'",
        "--",
        "/*",
        "*/",
        "`",
        "[",
        "]",
        " OR ",
        "DROP TABLE obs",
        "obs_id",
        "SELECT",
        "\n",
        '"',
    ]
)


@given(st.lists(WORDS | st.text(string.printable, max_size=3), max_size=12).map("".join))
def test_any_text_selects_or_is_told(shared_obsdb: Context, query: str) -> None:
    before = shared_obsdb.obsdb.read_bytes()
    try:
        table = select_observations(shared_obsdb, query, base=shared_obsdb.path.parent, columns=[])
    except DiagnosticError as error:
        assert len(error.diagnostics) == 1  # noqa: PT017 -- most texts are no query
    else:
        assert set(table.obs_id) <= set(IDS)
    assert shared_obsdb.obsdb.read_bytes() == before


@pytest.fixture(scope="module")
def shared_obsdb(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("shared")
    write_obsdb(folder / "obsdb.sqlite", OBSERVATIONS)
    (folder / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    return Context(folder / "context.yaml", folder / "obsdb.sqlite", {}, ())


@pytest.mark.parametrize("by_file", [False, True])
def test_an_observation_has_one_row_in_a_database_without_keys(
    make_context: MakeContext, tmp_path: Path, by_file: bool
) -> None:
    context = make_context()
    with sqlite3.connect(context.obsdb) as connection:
        connection.execute("CREATE TABLE rows AS SELECT * FROM obs")
        connection.execute("INSERT INTO rows SELECT * FROM obs WHERE obs_id = ?", (IDS[2],))
        connection.execute("DROP TABLE obs")
        connection.execute("ALTER TABLE rows RENAME TO obs")
    connection.close()
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(IDS))
    told = problem(context, str(ids) if by_file else "1")
    assert told.code == "obsdb-unreadable"
    assert told.message.endswith(f"1 of its observations have several rows, and `obs` has no key: {IDS[2]}")


def test_a_list_of_ids_from_windows_is_read(make_context: MakeContext, tmp_path: Path) -> None:
    ids = tmp_path / "windows.txt"
    ids.write_bytes("\r\n".join(["# mine", IDS[1], IDS[3], ""]).encode("utf-8-sig"))
    assert select(make_context(), str(ids)).obs_id.tolist() == [IDS[1], IDS[3]]


def test_the_digest_is_that_of_the_rows_whatever_order_they_were_written_in(
    make_context: MakeContext, tmp_path: Path
) -> None:
    def digest(rows: Rows) -> str:
        (tmp_path / "obsdb.sqlite").unlink(missing_ok=True)
        return select(make_context(rows), "type = 'obs'").digest()

    def with_pwv(obs_id: str) -> Rows:
        return [{**row, "pwv_mean": 9.0} if row["obs_id"] == obs_id else row for row in OBSERVATIONS]

    as_it_was = digest(OBSERVATIONS)
    assert digest(OBSERVATIONS[::-1]) == as_it_was
    assert digest(with_pwv(IDS[4])) == as_it_was, "the query doesn't select it"
    assert digest(with_pwv(IDS[5])) != as_it_was


@pytest.mark.parametrize(
    "name", ["", "#1", "obs 1", "obs:ws0:f090", "obs\n1", "obs\x1b[2J", "a\0b", "x\x85", "\x7f"]
)
def test_an_id_that_a_query_file_cannot_hold_is_told(make_context: MakeContext, name: str) -> None:
    told = problem(make_context([*OBSERVATIONS, {**OBSERVATIONS[0], "obs_id": name}]), "1")
    assert told.code == "obsdb-unreadable"
    assert told.message.endswith(f"holds white space, a colon or a control character: {name!r}")


def test_infinity_among_text_is_text(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows are read in batches, and only some have text.
    monkeypatch.setattr("socm.observations.select.ROWS_PER_FETCH", 4)
    notes = [1.5, float("inf"), 2, 3, "words", None, 4, 5, 6, 7]
    rows = [{**row, "note": note} for row, note in zip(OBSERVATIONS, notes, strict=True)]
    assert set(select(make_context(rows), "1").columns["note"]) >= {"words", "inf", ""}


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("SELECT timestamp FROM obs WHERE type = 'none'", "without SELECT"),
        ("values (1)", "without VALUES"),
        ("where type = 'obs'", "without WHERE"),
        ("1 LIMIT 0", "without LIMIT"),
        ("1 order by timestamp", "without ORDER BY"),
        ("type = obs", "type = 'obs'"),
        ("tube_slot IN (i1)", "tube_slot = 'i1'"),
    ],
)
def test_what_is_more_or_less_than_a_condition_gets_a_hint(
    make_context: MakeContext, query: str, hint: str
) -> None:
    context = make_context()
    with pytest.raises(DiagnosticError) as caught:
        select_observations(context, query, base=context.path.parent, columns=[])
    assert hint in (caught.value.diagnostics[0].hint or "")


@pytest.mark.parametrize(
    "query",
    ["obs_id IN ('{there}', 'obs_x')", "obs_id = '{there}' OR 'obs_x' = type OR obs.obs_id = 'obs_x'"],
)
def test_an_observation_that_a_query_names_and_nobody_has_is_told(
    make_context: MakeContext, query: str
) -> None:
    context = make_context()
    there = OBSERVATIONS[0]["obs_id"]
    found = select_observations(context, query.format(there=there), base=context.path.parent, columns=[])
    (warning,) = found.warnings
    assert (warning.code, warning.severity) == ("unknown-observation", Severity.WARNING)
    assert "1 of the 2 observations" in warning.message
    left_out = select_observations(
        context, f"obs_id NOT IN ('{there}', 'x')", base=context.path.parent, columns=[]
    )
    assert left_out.warnings == ()
    assert len(left_out) == len(OBSERVATIONS) - 1
