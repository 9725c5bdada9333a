from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.diagnostics import DiagnosticError
from socm.simulate.settings import SimulationSettings, Systematic, SystematicKind


def test_a_systematic_is_a_name_and_an_amplitude() -> None:
    assert Systematic.parse("wafer-gain:0.1") == Systematic(SystematicKind.WAFER_GAIN, 0.1)
    assert Systematic.parse("ground-pickup:-3e2") == Systematic(SystematicKind.GROUND_PICKUP, -300.0)


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("wafer-gian:1", "unknown-systematic", "did you mean 'wafer-gain'?"),
        ("weather:1", "unknown-systematic", "there are wafer-gain, ground-pickup, late-source, gain-drift"),
        ("late-source", "bad-systematic", "write late-source:AMPLITUDE"),
        ("late-source:bright", "bad-systematic", "write late-source:AMPLITUDE"),
        ("late-source:nan", "bad-systematic", "write late-source:AMPLITUDE"),
    ],
)
def test_a_systematic_that_is_none_says_what_to_write(text: str, code: str, hint: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        Systematic.parse(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.hint is not None
    assert diagnostic.hint.startswith(hint)


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"observations": 0}, "0 observations"),
        ({"days": 0.0}, "0 days"),
        ({"detectors": 49}, "49 detectors"),
        ({"sample_rate_hz": 10.0}, "10 Hz"),
        ({"sample_rate_hz": 1000.0}, "1000 Hz"),
        ({"duration_s": 30.0}, "30 s"),
        ({"duration_s": 4000.0}, "4000 s"),
        ({"noise_uk_sqrt_s": -1.0}, "noise is negative"),
        ({"noise_uk_sqrt_s": math.inf}, "noise is no finite number"),
        ({"days": math.inf}, "inf days"),
        ({"hwp_hz": 2.4}, "a half-wave plate can't turn at 2.4 Hz in data of 24 Hz"),
        ({"hwp_hz": -1.0}, "a half-wave plate can't turn at -1 Hz"),
        ({"knee_hz": -0.1}, "knee at -0.1 Hz"),
        ({"knee_hz": 12.1}, "knee at 12.1 Hz"),
        ({"knee_hz": math.nan}, "knee at nan Hz"),
        ({"knee_hz": 1.0, "slope": 0.0}, "slope of 0"),
        ({"knee_hz": 1.0, "slope": 4.1}, "slope of 4.1"),
        ({"knee_hz": 1.0, "common_fraction": 1.1}, "share 1.1"),
        ({"knee_hz": 1.0, "common_fraction": -0.1}, "share -0.1"),
        ({"width_deg": 6.0}, "6 deg wide"),
        ({"width_deg": 61.0, "duration_s": 600.0}, "61 deg wide"),
        ({"width_deg": 40.0}, "last 200 s"),
        ({"seed": -1}, "seed is negative"),
        ({"start": "tomorrow"}, "'tomorrow' is not a date"),
        (
            {"systematics": (Systematic.parse("late-source:1"), Systematic.parse("late-source:2"))},
            "given twice",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(setting: dict[str, Any], word: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        SimulationSettings(**setting)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "bad-simulation-setting"
    assert word in diagnostic.message


def test_all_problems_of_the_settings_are_told_at_once() -> None:
    with pytest.raises(DiagnosticError) as caught:
        SimulationSettings(observations=0, noise_uk_sqrt_s=-1.0, seed=-1)
    assert len(caught.value.diagnostics) == 3


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "days",
                "sample_rate_hz",
                "duration_s",
                "noise_uk_sqrt_s",
                "knee_hz",
                "slope",
                "common_fraction",
                "width_deg",
            ),
            st.floats() | st.sampled_from([0.0, 1.0, 30.0, 300.0]),
        ),
    )
)
def test_any_numbers_are_settings_or_a_diagnostic(numbers: dict[str, float]) -> None:
    problems: set[str] = set()
    try:
        settings = SimulationSettings(**numbers)  # type: ignore[arg-type]
    except DiagnosticError as error:
        problems = {diagnostic.code for diagnostic in error.diagnostics}
    if problems:
        assert problems == {"bad-simulation-setting"}
    else:
        assert all(math.isfinite(number) for number in numbers.values())
        assert settings.samples >= 1440
