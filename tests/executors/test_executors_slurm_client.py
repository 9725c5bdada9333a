"""How Slurm writes durations, and what its commands are called by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.executors.base import ExecutorSilentError
from socm.executors.registry import EXECUTORS
from socm.executors.slurm import client


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 300),
        ("1:05", 65),
        ("2:00:01", 7201),
        ("1-00", 86400),
        ("1-02:30", 95400),
        ("1-00:00:00", 86400),
        ("00:30.512", 30),
        (" 2-00:00:00\n", 172800),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("NONE", None),
        ("", None),
    ],
)
def test_durations_in_every_form(text, seconds):
    assert client.duration_seconds(text) == seconds


@given(st.integers(0, 10**8))
def test_what_slurm_prints_is_read_back(seconds):
    """Slurm prints [days-]hours:minutes:seconds, or minutes:seconds below an hour (squeue)."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    texts = [f"{days}-{hours:02}:{minutes:02}:{rest:02}"]
    texts += [] if days else [f"{hours:02}:{minutes:02}:{rest:02}"]
    texts += [] if days or hours else [f"{minutes}:{rest:02}"]
    assert {client.duration_seconds(text) for text in texts} == {seconds}
    assert {client.duration_minutes(text) for text in texts} == {-(-seconds // 60)}


def test_jobs_are_known_by_the_comment_of_snakemakes_plugin():
    label = EXECUTORS["slurm"].label
    assert label("mission_tests", "f090/split_1") == "rule_mission_tests_wildcards_f090_split_1"
    assert label("ml_mapmaking", "") == "rule_ml_mapmaking"


def test_a_command_that_fails_or_is_not_here_says_nothing(tmp_path):
    assert client.ask("false") == ""
    assert client.ask(str(tmp_path / "squeue")) == ""
    with pytest.raises(ExecutorSilentError, match="squeue"):
        client.run(str(tmp_path / "squeue"))
