"""What a rule's shell does: steps, one after the other, each of which is a template of text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its text is templates/steps/<template>.j2, which reads these resources of the rule."""

    template: str
    resources: tuple[str, ...] = ()


Shell = tuple[Step, ...]
"""What a rule's shell does, in this order; whatever fails ends the job."""

OWN_TMP_DIR = Step("own_tmp_dir", ("tmp_dir",))
"""Gives the job a folder of its own for temporary files."""
PREPARE = Step("prepare")
"""Runs the job's `prepare`, once whatever the number of ranks."""
RUN_RANKS = Step("run_ranks")
"""Runs the job's program, in as many ranks as the rule asks for."""
RUN_RANK_GROUPS = Step("run_rank_groups", ("group_size",))
"""Runs the job's program and names the number of ranks on a node, as toast wants."""
RUN_SHELL_TEXT = Step("run_shell_text")
"""Runs a command that may be any shell text."""
RUN = Step("run")
"""Runs the job's program as it is."""
COVERAGE = Step("coverage")
"""Checks which observations the map really used, and removes leftovers."""
COADD = Step("coadd")
"""Adds the maps of single scans up to the job's map."""
CONFIGURE_ATOMIC = Step("configure_atomic")
"""Gives a job of atomic maps a preprocessing archive of its own."""
ACCOUNT_ATOMIC = Step("account_atomic")
"""Writes down which atomic maps a job made, and why others are missing."""
CONFIGURE_ARCHIVE = Step("configure_archive")
"""Gives a job that preprocesses an archive of its own, which begins with what the user's archive holds."""
ACCOUNT_ARCHIVE = Step("account_archive")
"""Writes down which observations a job preprocessed, and why others failed."""
SUM_ATOMIC = Step("sum_atomic")
"""Adds atomic maps up to the job's map."""
FINISH = Step("finish")
"""Removes leftovers."""
FINISH_IF_NEEDED = Step("finish_if_needed", ("leftovers",))
"""Removes leftovers and makes the job's mark, where there are any."""
CHECK_SCHEDULE = Step("check_schedule")
"""Fails where a schedule has no scan."""
MAKE_CONTEXT = Step("make_context")
"""Makes a context over simulated time streams."""
JUDGE = Step("judge")
"""Judges a null test."""
VERDICT = Step("verdict")
"""Judges all null tests of a campaign together."""

MAP: Shell = (OWN_TMP_DIR, RUN_RANKS, COVERAGE)
"""Makes a map of observations and checks which of them it used."""
