"""Tables can be read on terminals of 40 columns: no word is cut or broken, and every number is there."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from socm.cli.status_view import status_table
from socm.diagnostics.fitting import Fitted
from socm.workspace.status import STATES, CampaignStatus, RuleStatus

RULES = ("maps", "f090-day-night-tests-null-maps", "wafer-tests")


def status() -> CampaignStatus:
    rules = tuple(
        RuleStatus(name, {state: 10 * number + place for place, state in enumerate(STATES)}, 1234.5, 99.5)
        for number, name in enumerate(RULES, 1)
    )
    return CampaignStatus("campaign", (), rules)


def shown(columns: int) -> str:
    text = io.StringIO()
    Console(file=text, width=columns).print(Fitted(status_table(status())))
    return text.getvalue()


@pytest.mark.parametrize("columns", [40, 50, 60, 80, 100, 120, 200])
def test_a_table_can_be_read_at_any_width(columns):
    text = shown(columns)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= columns
    words = set(re.findall(r"[\w.-]+", text))
    assert words >= {*RULES, *STATES, "all"}
    assert {str(10 * number + place) for number in (1, 2, 3) for place in range(6)} <= words


def test_a_wide_terminal_has_a_table():
    assert "│" in shown(140)
    assert "│" not in shown(40)
