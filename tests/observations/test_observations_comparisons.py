"""Comparisons that SQLite answers but not as they are meant: every one is told, and no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from observation_rows import OBSERVATIONS

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.observations.context import Context
from socm.observations.select import select_observations

MakeContext = Callable[..., Context]


def problems(context: Context, query: str) -> tuple[Diagnostic, ...]:
    try:
        select_observations(context, query, base=context.path.parent, columns=[])
    except DiagnosticError as error:
        return tuple(d for d in error.diagnostics if d.code != "query-selects-nothing")
    return ()


WRONG = {
    "timestamp < '2025-01-10'": "`timestamp` is numeric, and '2025-01-10' is a string",
    "'2025-01-10' > timestamp": "`timestamp` is numeric, and '2025-01-10' is a string",
    'timestamp <= "2025-01-10 12:00:00"': "'2025-01-10 12:00:00' is a string",
    "obs.timestamp >= '2025-01-10'": "`timestamp` is numeric",
    "`timestamp` > 'x'": "`timestamp` is numeric",
    "[timestamp] > 'x'": "`timestamp` is numeric",
    "TIMESTAMP = 'x'": "`timestamp` is numeric",
    "timestamp == 'x'": "`timestamp` is numeric",
    "timestamp != 'x'": "`timestamp` is numeric",
    "timestamp <> 'x'": "`timestamp` is numeric",
    "timestamp IS 'x'": "`timestamp` is numeric",
    "timestamp IS NOT 'x'": "`timestamp` is numeric",
    "timestamp IN (1, 'x')": "`timestamp` is numeric",
    "timestamp NOT IN ('x')": "`timestamp` is numeric",
    "timestamp BETWEEN '2025-01-01' AND '2025-02-01'": "'2025-01-01' is a string",
    "timestamp BETWEEN 1 AND 'x'": "'x' is a string",
    "timestamp NOT BETWEEN '2025-01-01' AND 5": "'2025-01-01' is a string",
    "timestamp LIKE '17%'": "`timestamp` is numeric, and LIKE compares text",
    "timestamp NOT LIKE '17%'": "LIKE compares text",
    "timestamp GLOB '17*'": "GLOB compares text",
    "type = 'obs' AND (NOT (timestamp < 'x') OR az_center > 5)": "`timestamp` is numeric",
    "type = 'obs' AND az_center BETWEEN 1 AND 300 AND timestamp < 'x'": "`timestamp` is numeric",
    "CASE WHEN timestamp < 'x' THEN 1 ELSE 0 END": "`timestamp` is numeric",
    "obs_id IN (SELECT obs_id FROM obs WHERE timestamp < 'x')": "`timestamp` is numeric",
    "(timestamp) < ('x')": "`timestamp` is numeric",
    "timestamp + 60 < 'x'": "`timestamp + 60` is a number and 'x' is a string",
    "abs(az_center) > '90 deg'": "`abs (az_center)` is a number",
    "pwv_mean < 'good'": "`pwv_mean` is numeric",
    "pwv_mean != 'nan'": "`pwv_mean` is numeric",
    "duration > '10 min' COLLATE NOCASE": "`duration` is numeric",
    "obs_id > 1700000000": "`obs_id` is text, and 1700000000 is a number",
    "tube_slot BETWEEN 1 AND 3": "`tube_slot` is text, and 1 is a number",
    "timestamp > obs_id": "`timestamp` is numeric, and `obs_id` is text",
    '"timestamp" < 5': "'timestamp' is a string here, not the column of that name",
    '"type" = "obs"': "'type' is a string here, not the column of that name",
    "5 < 'x'": "`5` is a number and 'x' is a string",
    "pwv_mean = NULL": "a comparison with NULL is never true",
    "NULL <> pwv_mean OR 1": "a comparison with NULL is never true",
    "1.7e9 < timestamp < 1.8e9": "`1.7e9 < timestamp < 1.8e9` compares the truth of its first comparison",
    "1 <= az_center <= 'x'": "compares the truth",
    "type = 'obs' OR 'oper'": "the string 'oper' on its own is not a condition",
    "(type = 'obs' or 'oper') and 1": "the string 'oper' on its own is not a condition",
    "'obs'": "the string 'obs' on its own is not a condition",
    "timestamp > 20250301": "`timestamp` is in unix s, and 20250301 looks like a date",
    "timestamp > '20250301'": "20250301 looks like a date",
    "timestamp >= 2025": "2025 looks like a date",
    "timestamp > 202503": "202503 looks like a date",
    "timestamp > 2025-03-01": "`2025 - 03 - 01` is a difference: 2021",
    "2025-03-01 < timestamp": "is a difference",
    "type > 2025-03-01": "is a difference",
    "timestamp < 1740000000000": "`timestamp` is in unix s, and 1740000000000 looks like milliseconds",
    "timestamp < 1.74e15": "looks like microseconds",
    "timestamp BETWEEN 1 AND 1740000000000000000": "looks like nanoseconds",
    "timestamp < date('2025-03-01')": "`timestamp` is numeric, and `date ('2025-03-01')` is text",
    "timestamp < CURRENT_TIMESTAMP": "`CURRENT_TIMESTAMP` is text",
    "datetime('now') > timestamp": "`datetime ('now')` is text",
    "strftime('%H', timestamp, 'unixepoch') > 12": "is text: SQLite sorts every number before every string",
    "strftime('%Y', timestamp, 'unixepoch') = 2025": "`2025` is a number",
    "substr(obs_id, 5, 10) > 1740000000": "`1740000000` is a number",
    "lower(type) IN (1, 2)": "`1` is a number",
    "type || '' < 5": "`5` is a number",
    "CAST(timestamp AS INTEGER) < '2025-01-01 '": "`CAST (timestamp AS INTEGER)` is a number",
    "ifnull(timestamp, 0) < '2025-01-01'": "is a number and '2025-01-01' is a string",
    "max(timestamp, az_center) < 'x'": "is a number and 'x' is a string",
}
RIGHT = (
    "timestamp < '1700000000'",
    "timestamp < ' 1.7e9 '",
    "timestamp > -5 AND az_center < +400",
    "datetime(timestamp, 'unixepoch') < '2025-01-10'",
    "timestamp < unixepoch('2025-01-10')",
    "timestamp < strftime('%s', '2025-01-10')",
    "timestamp < CAST(strftime('%s', '2025-01-10') AS REAL)",
    "type = 'obs' AND subtype <> 'cal'",
    "type IN ('obs', 'oper')",
    "type LIKE 'o%' ESCAPE '!'",
    "obs_id LIKE '%lati2%' AND substr(obs_id, 5, 10) > '17'",
    "pwv_mean IS NULL OR pwv_mean IS NOT NULL OR pwv_mean NOTNULL",
    "az_center BETWEEN 90 AND 180 AND el_center = 50",
    "(az_center < 180) = (el_center < 60)",
    "obs_id IN (SELECT obs_id FROM tags WHERE tag = 'venus')",
    "EXISTS (SELECT 'x' FROM tags WHERE tags.obs_id = obs.obs_id) OR 1",
    "CASE type WHEN 'obs' THEN 1 WHEN 'oper' THEN 0 END",
    "coalesce(pwv_mean, 0) < 2",
    "coalesce(type, 'x') = 'x'",
    "type || subtype = 'obscmb'",
    "instr(obs_id, 'lati1') > 0",
    "-- timestamp < 'x'\n1",
    "tube_slot = 'i1' COLLATE NOCASE",
    "obs_id > 'obs_17'",
    "length(obs_id) > 5",
    "type = 'it''s 5 < ''x'''",
    "timestamp",
    "1",
    "timestamp > 0 AND timestamp < 2000000000 AND timestamp < 1e12",
    "az_center > 20 AND az_center < 2025",
    "strftime('%H', timestamp, 'unixepoch') > '12'",
    "CAST(strftime('%H', timestamp, 'unixepoch') AS INTEGER) > 12",
    "timestamp > substr(obs_id, 5, 10)",
    "ifnull(type, 'x') = 'x' AND coalesce(type, 0) = 'obs'",
    "date(timestamp, 'unixepoch') = '2025-01-01'",
    "timestamp - 60 - 60 > 5",
)  # fmt: skip


@pytest.mark.parametrize("query", WRONG)
def test_what_cannot_be_meant_is_told(make_context: MakeContext, query: str) -> None:
    found = problems(make_context(), query)
    assert found, "SQLite answers it, and nobody is told"
    assert {problem.code for problem in found} == {"query-compares-types"}
    assert any(WRONG[query] in problem.message for problem in found), [one.message for one in found]


@pytest.mark.parametrize("query", RIGHT)
def test_what_can_be_meant_is_not(make_context: MakeContext, query: str) -> None:
    assert problems(make_context(), query) == ()


def test_all_of_a_query_are_told_at_once(make_context: MakeContext) -> None:
    found = problems(make_context(), "timestamp > 'a' AND pwv_mean = NULL AND duration LIKE '3%'")
    assert len(found) == 3


def test_a_date_gets_its_unix_time_as_a_hint(make_context: MakeContext) -> None:
    context = make_context()
    for date in (
        "2025-01-10",
        "2025-01-10T00:00:00Z",
        "2025-01-10 01:00:00+01:00",
        "20250110",
        "2025-01-10T00:00",
    ):
        (found,) = problems(context, f"timestamp < '{date}'")
        assert found.hint == "times are in unix s: 2025-01-10 00:00:00 UTC is 1736467200", date


@pytest.mark.parametrize("query", ["(timestamp) < ('2025-01-10')", "(timestamp < ('2025-01-10'))"])
def test_a_value_in_parentheses_is_one_problem(make_context: MakeContext, query: str) -> None:
    assert len(problems(make_context(), query)) == 1


FORMS = ("{c} < {l}", "{l} >= {c}", "{c} BETWEEN {l} AND {l}", "{c} > {l}", "NOT {c} <= {l}")
DECLARED = ("float", "int", "text", "varchar(256)", "", "blob", "numeric", "datetime")
LITERALS = ("'2025-01-10'", "'17'", "' 1.5 '", "'x'", "'-2e3'", "17", "1.5", "''")


@pytest.mark.parametrize("stored", [1.7e9, "words"])
@pytest.mark.parametrize("declared", DECLARED)
def test_what_sqlite_answers_by_type_or_letters_is_told_and_nothing_else(
    make_context: MakeContext, declared: str, stored: float | str
) -> None:
    context = make_context()
    with closing(sqlite3.connect(context.obsdb)) as connection, connection:
        connection.execute(f"ALTER TABLE obs ADD COLUMN odd {declared}")
        connection.execute("UPDATE obs SET odd = ?", (stored,))
    ((of_column,),) = connection_to(context).execute("SELECT DISTINCT typeof(odd) = 'text' FROM obs")
    for literal in LITERALS:
        # SQLite itself says what the literal is once the column's affinity has been applied to it.
        other = sqlite3.connect(":memory:")
        other.execute(f"CREATE TABLE one (value {declared})")
        other.execute(f"INSERT INTO one VALUES ({literal})")  # noqa: S608
        ((of_literal,),) = other.execute("SELECT typeof(value) = 'text' FROM one")
        by_letters = of_literal and of_column and not literal.startswith("'")
        for form in FORMS:
            query = form.format(c="odd", l=literal)
            found = problems(context, query)
            expected = of_literal != of_column or by_letters
            assert bool(found) == expected, (query, [one.message for one in found])


def connection_to(context: Context) -> sqlite3.Connection:
    return sqlite3.connect(context.obsdb)


@pytest.mark.parametrize(
    "query", ['tag("venus")', "tag('venus')", "has_tag('venus')", "tags = 'venus'", "tag = 'venus'", "venus", "venus = 1"]
)  # fmt: skip
def test_a_tag_as_people_write_it_gets_the_hint(make_context: MakeContext, query: str) -> None:
    context = make_context(tags={OBSERVATIONS[0]["obs_id"]: "venus"})
    (found,) = problems(context, query)
    assert "obs_id in (select obs_id from tags where tag = 'venus')" in (found.hint or "")
