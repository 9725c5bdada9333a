"""The page about diagnostics shows what socm prints."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from socm.config import load_campaign
from socm.diagnostics import DiagnosticError, format_diagnostics, format_summary, json_document
from socm.workflows import registered_workflows

TEXT = """\
[campaign.ml-mapmaking]
context = "c.yaml"
area = "a.fits"
output_dir = "o"
[campaign.ml-mapmaking.resources]
memroy = "64G"
"""


def test_the_page_shows_what_is_printed(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tree_sitter_toml", reason="places need the diagnostics extra")
    monkeypatch.chdir(tmp_path)
    Path("campaign.toml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(DiagnosticError) as error:
        load_campaign(Path("campaign.toml"), registered_workflows)
    found = error.value.diagnostics
    page = (checkout / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", page, re.MULTILINE)]
    printed = format_diagnostics(found, {"campaign.toml": TEXT}) + format_summary(found, written=False) + "\n"
    assert blocks[0] == printed
    assert json.loads(blocks[1]) == json_document(found)
