"""A query, a database and a context cost no more than they may, whoever wrote them."""

from __future__ import annotations

import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.observations.context import Context, read_context
from socm.observations.select import select_observations

MakeContext = Callable[..., Context]
CROSS_JOIN = "obs_id in (select a.obs_id from obs a, obs b, obs c, obs d, obs e, obs f, obs g where a.obs_id || g.obs_id = 'x')"
ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c)"
FORTY = "insert into obs (obs_id, timestamp) with recursive c(x) as (select 1 union all select x + 1 from c where x < 40) select 'obs_' || x, x from c"


def problem(context: Context, query: str) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        select_observations(context, query, base=Path())
    (told,) = caught.value.diagnostics
    return told


@pytest.fixture
def database(tmp_path: Path) -> Context:
    """Forty observations."""
    with closing(sqlite3.connect(tmp_path / "obsdb.sqlite")) as connection, connection:
        connection.execute("create table obs (obs_id text primary key, timestamp real)")
        connection.execute(FORTY)
    (tmp_path / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    return read_context(tmp_path / "context.yaml")


def make_view(context: Context, text: str) -> None:
    with closing(sqlite3.connect(context.obsdb)) as connection, connection:
        connection.execute("alter table obs rename to rows")
        connection.execute(f"create view obs as {text}")


@pytest.mark.parametrize(
    "query",
    [
        CROSS_JOIN,
        CROSS_JOIN.replace("obs_id in (select a.obs_id", "exists (select 1"),
    ],
)
def test_a_query_that_does_not_end_is_stopped(database, monkeypatch, query):
    monkeypatch.setenv("SOCM_QUERY_SECONDS", "1")
    started = time.monotonic()
    told = problem(database, query)
    assert time.monotonic() - started < 20
    assert told.code == "query-too-long"
    assert "it has not ended after 1 s (SOCM_QUERY_SECONDS raises that)" in told.message


@pytest.mark.parametrize(
    "view",
    [
        "select a.obs_id || b.obs_id || c.obs_id || d.obs_id || e.obs_id as obs_id, 1 as timestamp from rows a, rows b, rows c, rows d, rows e",
        "select a.obs_id, 1 as timestamp from rows a, rows b, rows c, rows d, rows e, rows f where b.obs_id || f.obs_id = 'x'",
    ],
)
def test_a_view_that_does_not_end_is_stopped(database, monkeypatch, view):
    monkeypatch.setenv("SOCM_QUERY_SECONDS", "1")
    monkeypatch.setenv("SOCM_QUERY_MB", "200")
    make_view(database, view)
    for query in ("1", "0"):
        told = problem(database, query)
        assert told.code == "query-too-long"
        assert told.notes == ("`obs` is a view in this database: its own query counts, too",)


def test_a_view_may_not_recurse(database):
    make_view(database, ENDLESS + " select 'o' || x as obs_id, x as timestamp from c")  # noqa: S608
    told = problem(database, "1")
    assert told.code == "obsdb-unreadable"
    assert "`obs` is a view that does more than read tables" in told.message


def test_a_view_that_ends_is_a_table_as_any_other(database):
    make_view(database, "select * from rows where timestamp > 20")
    assert len(select_observations(database, "timestamp < 30", base=Path())) == 9


@pytest.mark.parametrize(
    "query",
    [
        "length(printf('%.*c', 1000000000, 'x')) > 3",
        "length(replace(hex(zeroblob(400000)), '0', 'abcdefghij')) > 3",
        "zeroblob(2000000000) > 3",
        "obs_id in (select printf('%.*c', 900000, 'x') || a.obs_id || b.obs_id || c.obs_id from obs a, obs b, obs c)",
        "obs_id in (select a.obs_id || b.obs_id || c.obs_id || d.obs_id from obs a, obs b, obs c, obs d, obs e)",
        "(select group_concat(a.obs_id) from obs a, obs b, obs c, obs d, obs e) = ''",
    ],
)
def test_a_query_takes_little_memory(database, query):
    """Run it in a process of its own, whose memory at most is measured."""
    script = f"""
import resource, sys
from pathlib import Path
from socm.diagnostics import DiagnosticError
from socm.observations.context import read_context
from socm.observations.select import select_observations
context = read_context(Path({str(database.path)!r}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    select_observations(context, {query!r}, base=Path())
except DiagnosticError as error:
    print(error.diagnostics[0].code)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
"""
    environment = {**os.environ, "SOCM_QUERY_SECONDS": "5", "SOCM_QUERY_MB": "100"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *codes, more_mb = done.stdout.split()
    assert int(more_mb) < 250
    assert codes in ([], ["query-too-long"], ["query-selects-nothing"])


def test_ctrl_c_stops_a_query_and_a_terminal_shows_its_time(database):
    """The terminal is a real one."""
    script = f"""
from pathlib import Path
from socm.diagnostics.edge import run_program
from socm.observations.context import read_context
from socm.observations.select import select_observations
import sys
sys.exit(run_program(lambda: select_observations(read_context(Path({str(database.path)!r})), {CROSS_JOIN!r}, base=Path())))
"""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script], stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"of at most 600 s" not in shown:
        shown += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert b"query: 3 s of at most 600 s (Ctrl-C stops it)" in shown or b"query: 2 s" in shown
    os.close(ours)


@pytest.mark.parametrize("name", ["SOCM_QUERY_SECONDS", "SOCM_QUERY_MB", "SOCM_QUERY_LENGTH"])
@pytest.mark.parametrize("value", ["0", "-1", "1e9", "ten", "9" * 5000, "٣"])
def test_a_limit_is_a_number(database, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert problem(database, "1").code == "bad-limit"


def test_a_long_text_in_the_database_is_read_where_the_limit_allows_it(database, monkeypatch):
    with closing(sqlite3.connect(database.obsdb)) as connection, connection:
        connection.execute("alter table obs add column note text")
        connection.execute("update obs set note = ? where timestamp = 7", ("x" * 2_000_000,))
    told = problem(database, "1")
    assert told.code == "query-too-long"
    assert "SOCM_QUERY_LENGTH raises that" in told.message
    monkeypatch.setenv("SOCM_QUERY_LENGTH", "3000000")
    assert len(select_observations(database, "1", base=Path())) == 40


@pytest.mark.parametrize(
    "text",
    [
        "tags: {a: '{a}{a}'}\nobsdb: '{a}'\n",
        "tags: {a: x}\nobsdb: '{a:>1000000000}'\n",
        "tags: {a: x}\nobsdb: '{a.__class__}'\n",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        + "obsdb: x\n",
        "a: &a [*a]\nobsdb: x\n",
        f"obsdb: x\na: {'[' * 20000}\n",
        "tags: {1: x}\nobsdb: '{a}'\n",
        "obsdb: x\ndate: 2025-99-99\n",
    ],
)
def test_a_context_costs_no_more_than_it_may(tmp_path, text):
    (tmp_path / "context.yaml").write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(DiagnosticError) as caught:
        read_context(tmp_path / "context.yaml")
    assert {told.code for told in caught.value.diagnostics} <= {"context-tag", "context-unreadable"}
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
