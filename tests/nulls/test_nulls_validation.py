"""Quick versions of `make validate`, whose figures docs/validation.md has: campaigns whose truth is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("scipy")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def validation() -> ModuleType:
    """Load the script that `make validate` runs."""
    path = Path(__file__).parents[2] / "benchmarks/validate_nulls.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_ptes_of_clean_campaigns_are_uniform_and_few_campaigns_fail(validation: ModuleType) -> None:
    figures = validation.measure_noise(25)
    assert figures.ptes.shape == (25, 7, 6)
    assert validation.uniformity(figures.ptes) > 0.01
    for index in range(6):
        assert validation.uniformity(figures.ptes[:, :, index]) > 0.001
    assert np.mean(figures.fails) <= 0.15
    # PTEs that pile up at low values don't pass.
    assert validation.uniformity(figures.ptes**2) < 1e-6


def test_a_sky_a_hundred_times_the_noise_changes_no_pte(validation: ModuleType) -> None:
    by_sky, by_draw = validation.measure_cancellation(4)
    assert by_sky < 1e-6
    assert by_draw > 1e-3


def test_systematics_at_the_noise_floor_are_found(validation: ModuleType) -> None:
    found = validation.measure_power_of_test(25)
    assert found[1.0] >= 0.8
    assert found[2.0] >= 0.99


def test_the_claimed_amplitude_is_about_what_is_found(validation: ModuleType) -> None:
    _, found = validation.measure_amplitude(25, (0.5, 1.0, 1.5))
    assert found[0.5] < 0.5
    assert 0.85 <= found[1.0] <= 1.0
    assert found[1.5] >= 0.97
