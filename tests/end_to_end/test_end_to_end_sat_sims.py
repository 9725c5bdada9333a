"""The example that simulates a SAT, as a user runs it: its maps have the noise that they promise, and it passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from programs import run_program

from socm.formats.document import read_document
from socm.formats.null_products import Summary
from socm.formats.verdict import VerdictDocument

pytest.importorskip("sotodlib", reason="needs the mapmaking extra")


@pytest.mark.snakemake
@pytest.mark.mapmaker
@pytest.mark.slow
def test_the_simulated_sat_passes_with_the_noise_that_its_weights_promise(
    checkout: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sat-sims"
    shutil.copytree(checkout / "examples/sat-sims", folder)
    run_program("socm", "run", "campaign.toml", folder=folder, timeout=800)
    summary = read_document(Summary, folder / "results/null/mission-tests/summary.json")
    ratios = {
        (difference.comparison, difference.number, letter): rms.ratio
        for difference in summary.differences
        for letter, rms in difference.rms.items()
    }
    assert len(ratios) == 6 * 3
    assert {key: ratio for key, ratio in ratios.items() if not 0.9 < (ratio or 0) < 1.2} == {}
    verdict = read_document(VerdictDocument, folder / "verdict.json")
    assert verdict.status == "pass", verdict.sentence
    assert [(test.judged, test.lacks, len(test.ptes)) for test in verdict.tests] == [(True, (), 18)]
    assert not (folder / "results/sims/data").exists()
