"""What a campaign may say of the analysis is what the analysis takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from socm.core.null_analysis import CampaignNullAnalysis, NullAnalysis
from socm.formats.analysis_options import AnalysisOptions


def test_a_campaign_sets_the_options_of_the_analysis_and_the_seed() -> None:
    assert NullAnalysis().options == AnalysisOptions()
    assert set(NullAnalysis.model_fields) - set(AnalysisOptions.model_fields) == {"seed"}
    assert set(CampaignNullAnalysis.model_fields) - set(NullAnalysis.model_fields) == {"resources"}
    asked = CampaignNullAnalysis.model_validate({"simulations": 400, "resources": {"memory": "9G"}})
    assert asked.options == AnalysisOptions(simulations=400)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"mask": "mask.fits", "apodization_deg": 0, "multipole_min": 0, "multipole_max": 900.5},
        {"bin_edges": [0, 100, 250], "spectra": ["BB"], "simulations": 1},
        {"bin_width": 30, "kx_min": 20, "ky_min": 0, "family_level": 0.01},
    ],
)
def test_what_a_campaign_says_the_analysis_takes(table: dict[str, object]) -> None:
    assert NullAnalysis.model_validate(table | {"seed": 3}).options == AnalysisOptions.model_validate(table)


@pytest.mark.parametrize(
    "table",
    [
        {"bin_edges": [100]},
        {"bin_edges": [100, 100]},
        {"bin_edges": [-1, 100]},
        {"spectra": []},
        {"spectra": ["TT", "TT"]},
        {"spectra": ["XX"]},
        {"simulations": 0},
        {"simulations": True},
        {"multipole_min": 500, "multipole_max": 100},
        {"bin_width": 0},
        {"kx_min": -1},
        {"kx_min": float("nan")},
        {"multipole_max": float("inf")},
        {"family_level": 1},
        {"covariance": "guess"},
        {"simulation": 5},
    ],
)
def test_what_the_analysis_cannot_use_neither_takes(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NullAnalysis.model_validate(table)
    with pytest.raises(ValidationError):
        AnalysisOptions.model_validate(table, strict="simulations" in table)
