"""PTEs of left- against right-going scans in time streams that an atmosphere dominates."""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from programs import run_program
from workflows_workspace import Workspace

from socm.diagnostics import DiagnosticError

SPLITS = 16
CAMPAIGN = """
[campaign]
seed = 3

[campaign.defaults]
context = "data/context.yaml"
preprocess_config = "preprocess.yaml"
preprocess = true
bands = "f090"
wafer = "ws0"
site = "so_lat"
days_per_job = 32
options = { apply_wobble = false }
resources = { memory = "1G", runtime = "30m" }
chunk_unit = "observations"
chunk_nobs = 1

[campaign.flat]
workflow = "filterbin-null-tests"
output_dir = "results/flat"
area = "data/area.fits"
[campaign.flat.scan-left-right-tests]
nsplits = 16

[campaign.sphere]
workflow = "filterbin-null-tests"
output_dir = "results/sphere"
nside = 256
atomic_dir = "results/atomic-sphere"
analysis = { spectra = ["EE", "BB", "EB"] }
[campaign.sphere.scan-left-right-tests]
nsplits = 4
"""


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.validation
@pytest.mark.timeout(7200)
def test_ptes_are_uniform_in_halves_that_share_an_atmosphere(workspace: Workspace, checkout: Path) -> None:
    """HEALPix maps go through Snakemake and are judged; docs/workflows.md has the figures of pairs.

    T is 1/f noise below 1 Hz, nine tenths of which all detectors share, and leaks from low multipoles over the
    edges: HEALPix maps are judged without it. In flat maps each observation is a split, and each two of them
    are judged: E and B, and T where it can be. All of them together have no sky in common.
    """
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    from scipy.stats import kstest

    from socm.nulls import judge

    # One more than there are splits: of one observation this wafer has no data.
    words = ("socm", "simulate", "data", "--hwp-hz", "2", "--observations", str(SPLITS + 1))
    atmosphere = ("--knee-hz", "1", "--common-fraction", "0.9", "--width-deg", "14")
    run_program(*words, *atmosphere, folder=workspace.folder)
    shutil.copy(checkout / "examples/filterbin/preprocess.yaml", workspace.folder)
    workspace.write(CAMPAIGN)
    workspace.compile()
    run = workspace.run("--omit-from", "flat_scan_left_right_tests_null_maps", timeout_s=7000)
    assert run.code == 0, run.text
    folder = "results/sphere/scan-left-right-tests"
    (comparison,) = json.loads(workspace.text(f"{folder}/pte.json"))["comparisons"]
    assert min(judged["pte"] for judged in comparison["judgements"]) > 1e-3
    for one in json.loads(workspace.text(f"{folder}/summary.json"))["differences"]:
        assert one["rms"]["T"]["ratio"] > 10
        assert [one["rms"][letter]["ratio"] for letter in "QU"] == pytest.approx([1, 1], abs=0.15)
    maps = workspace.folder / "results/flat"

    def source(side: str, number: int) -> dict[str, str]:
        folder = maps / f"scan_{side}_split_{number}"
        return {name: str(folder / f"{name}.fits") for name in ("map", "ivar")}

    def judge_pair(pair: tuple[int, int], spectra: list[str]) -> tuple[dict[str, float], set[str]]:
        """Return PTEs, or why there are none."""
        groups = {side: [source(side, number) for number in pair] for side in ("left", "right")}
        try:
            (comparison,) = judge(groups, analysis={"spectra": spectra}).comparisons
        except DiagnosticError as error:
            return {}, {one.code for one in error.diagnostics}
        return {judged.spectrum: judged.pte for judged in comparison.judgements}, set()

    ptes: dict[str, list[float]] = {}
    refused = 0
    for pair in combinations(range(1, SPLITS + 1), 2):
        found, why = judge_pair(pair, ["EE", "BB", "EB"])
        # Two observations may have little of the sky in common.
        assert why <= {"no-multipoles", "no-common-support"}
        if why:
            continue
        of_t, why = judge_pair(pair, ["TT"])
        # An atmosphere leaks over the edges of a strip 1.5 deg wide.
        assert why <= {"too-few-modes", "leaked-noise"}
        refused += bool(why)
        for spectrum, pte in (found | of_t).items():
            ptes.setdefault(spectrum, []).append(pte)
    print(f"T refused in {refused} pairs")
    for spectrum, values in ptes.items():
        below = np.mean(np.less(values, 0.05))
        print(f"{spectrum}: {len(values)} PTEs, {below:.1%} below 0.05, mean {np.mean(values):.2f}")
    for spectrum in ("EE", "BB", "EB"):
        assert len(ptes[spectrum]) > 60
        assert kstest(ptes[spectrum], "uniform").pvalue > 1e-3
        # Of 73 pairs of 16 observations chance makes 5 % into 12 % now and then.
        assert np.mean(np.less(ptes[spectrum], 0.05)) < 0.15
    assert refused > 30
    assert min(ptes["TT"], default=1) > 1e-3
