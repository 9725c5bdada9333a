"""What a campaign may say of the analysis is what the analysis takes."""

from __future__ import annotations

from dataclasses import fields

import pytest

from socm.core.null_analysis import NullAnalysis
from socm.nulls.options import AnalysisOptions, read_options


def test_a_campaign_and_the_analysis_know_the_same_options_and_defaults() -> None:
    campaign = {name: field.default for name, field in NullAnalysis.model_fields.items()}
    assert campaign.pop("seed") is None  # the seed stands beside the analysis in a specification
    assert campaign == {field.name: field.default for field in fields(AnalysisOptions)}


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"mask": "mask.fits", "apodization_deg": 0, "multipole_min": 0, "multipole_max": 900.5},
        {"bin_edges": [0, 100, 250], "spectra": ["BB"], "simulations": 1, "covariance": "analytic"},
        {"bin_width": 30, "kx_min": 20, "ky_min": 0, "family_level": 0.01},
    ],
)
def test_what_a_campaign_may_say_the_analysis_takes(table: dict[str, object]) -> None:
    said = NullAnalysis.model_validate(table)
    taken = read_options(said.model_dump(mode="json", exclude={"seed"}, exclude_none=True))
    assert taken == AnalysisOptions(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    )
