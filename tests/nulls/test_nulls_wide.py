"""Wide maps in striped noise: quick versions of benchmarks/validate_wide.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.judging import results
from socm.nulls.sky import flat

pytest.importorskip("pixell")


@pytest.fixture(scope="module")
def validation() -> ModuleType:
    """Load the script that `make validate` runs."""
    path = Path(__file__).parents[2] / "benchmarks/validate_wide.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["ridge ky = 0", "mixed"])
def test_clean_wide_maps_in_striped_noise_have_uniform_ptes(validation: ModuleType, noise: str) -> None:
    ptes = validation.measure_noise("40 x 20", noise, 20)
    assert ptes.shape == (20, 6)
    assert np.mean(ptes < 0.05) <= 0.12
    assert stats.kstest(ptes.ravel(), "uniform").pvalue > 0.001
    # PTEs that pile up at low values don't pass.
    assert stats.kstest(ptes.ravel() ** 2, "uniform").pvalue < 0.001


@pytest.mark.parametrize("patch", ["40 x 20", "20 x 20"])
def test_stripes_are_named_with_the_cut_that_finds_more_and_even_noise_with_none(
    validation: ModuleType, patch: str
) -> None:
    def judged(noise: str, **cuts: float) -> results.TestResult:
        options = AnalysisOptions(multipole_max=900, spectra=("TT",), **cuts)
        result: results.TestResult = validation.Campaign(validation.PATCHES[patch], noise).judge_test(
            options, [7, 0], 0
        )
        return result

    assert judged("red").cuts == ()
    for noise, key in (("ridge ky = 0", "ky_min"), ("ridge kx = 0", "kx_min")):
        plain = judged(noise)
        (cut,) = plain.cuts
        assert cut.key == key
        without = judged(noise, **{key: cut.multipole})
        assert without.cuts == ()
        before, after = (one.comparisons[0].judgements[0].found_rms["white"] for one in (plain, without))
        assert after / before == pytest.approx(cut.rms_factor, rel=0.35)
        assert after < 0.7 * before


def test_maps_are_judged_alike_as_flat_and_as_a_sphere(
    validation: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = validation.Campaign(validation.PATCHES["20 x 20"], "red")
    options = AnalysisOptions(multipole_max=900)
    differences, changes, redrawn = [], [], []

    def ptes(result: results.TestResult) -> np.ndarray:
        return np.array([one.pte for one in result.comparisons[0].judgements])

    for seed in range(4):
        plane = campaign.judge_test(options, [7, seed], seed)
        other = campaign.judge_test(options, [7, seed], seed + 1000)
        with monkeypatch.context() as patch:
            patch.setattr(flat, "LARGEST_SIDE_DEG", 1.0)
            sphere = campaign.judge_test(options, [7, seed], seed)
        assert (plane.sky, sphere.sky) == ("flat", "sphere")
        one, two = plane.comparisons[0], sphere.comparisons[0]
        np.testing.assert_allclose(np.median(one.noise / two.noise, axis=1), 1, atol=0.05)
        differences.append((one.power - two.power) / two.sigma)
        changes.append(np.abs(ptes(plane) - ptes(sphere)))
        redrawn.append(np.abs(ptes(plane) - ptes(other)))
    # A mode on the edge of a bin lies in one treatment's bin and not in the other's.
    assert np.sqrt(np.mean(np.square(differences))) < 0.4
    assert np.mean(changes) < 2 * np.mean(redrawn) + 0.05
