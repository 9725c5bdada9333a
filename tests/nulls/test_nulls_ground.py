"""What goes with declination alone is told from what has no direction, whatever the map's shape and noise."""

from __future__ import annotations

import numpy as np
import pytest

from socm.nulls.diagnosis.diagnose import GROUND, MOSTLY
from socm.nulls.diagnosis.ground import Ground, find_ground
from socm.nulls.sky.flat import FlatSky

STEP = np.radians(10 / 60)
SHAPE = (96, 72)
EDGES = np.arange(180.0, 811.0, 90.0)
Y, X = np.mgrid[-1 : 1 : 1j * SHAPE[0], -1 : 1 : 1j * SHAPE[1]]


def fade(distance: np.ndarray) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(np.pi * np.clip(4 * distance, 0, 1))).astype(np.float32)


WEIGHTS = {
    "square": fade(1 - np.maximum(abs(X), abs(Y))),
    "rhomb": fade(1 - abs(Y) - abs(X) / 0.5),
    "leaning strip": fade(1 - np.maximum(abs(Y), abs(X - 0.5 * Y) / 0.4)),
    "two strips": fade(1 - np.maximum(abs(Y), abs(abs(X) - 0.5) / 0.4)),
}


def field(rng: np.random.Generator, slope: float, ridge: float = 1.0) -> np.ndarray:
    """Return a Gaussian field of power l^-slope, `ridge` times as much about kx = 0, of rms 1."""
    up = np.fft.fftfreq(SHAPE[0])[:, None]
    along = np.fft.rfftfreq(SHAPE[1])[None]
    power = np.maximum(np.hypot(up, along), 0.01) ** -slope
    power = power * np.where(np.abs(along) < 0.2 * np.abs(up), ridge, 1)
    made = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(SHAPE)) * np.sqrt(power), s=SHAPE)
    return made / made.std()


def look(
    rng: np.random.Generator, weight: np.ndarray, excess: np.ndarray, sky: FlatSky, ridge: float = 1.0
) -> Ground | None:
    """Return what is found of an excess (ny, nx) that two sub-splits share beside their noise of rms 1."""
    depth = np.sqrt(np.maximum(weight, 0))
    planes = [weight * excess + depth * field(rng, 0, ridge) for _ in range(2)]
    return find_ground(np.array(planes, np.float32)[:, None], [weight], sky, int(rng.integers(1 << 30)))


def is_named(found: Ground | None) -> bool:
    return found is not None and found.significance >= GROUND and found.share >= MOSTLY


@pytest.fixture(scope="module")
def sky() -> FlatSky:
    return FlatSky(SHAPE, (STEP, -STEP), EDGES)


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("ridge", [1.0, 6.0], ids=["white", "striped"])
def test_the_ground_is_named_and_an_excess_without_a_direction_is_not(
    sky: FlatSky, name: str, ridge: float
) -> None:
    weight, named, wrong = WEIGHTS[name], 0, 0
    for number in range(10):
        rng = np.random.default_rng([number, int(ridge)])
        rows = np.broadcast_to(rng.standard_normal((SHAPE[0], 1)), SHAPE) * (1 + 0.3 * X)
        named += is_named(look(rng, weight, rows, sky, ridge))
        for slope in (0, 2, 3):
            wrong += is_named(look(rng, weight, 2 * field(rng, slope), sky, ridge))
    assert named >= 9
    assert wrong == 0


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("ridge", [1.0, 6.0], ids=["white", "striped"])
def test_noise_alone_is_not_taken_for_the_ground(sky: FlatSky, name: str, ridge: float) -> None:
    rng = np.random.default_rng(7)
    found = [look(rng, WEIGHTS[name], np.zeros(SHAPE), sky, ridge) for _ in range(30)]
    sigma = np.array([one.significance for one in found if one is not None])
    assert sigma.std() < 1.3
    assert sigma.max() < GROUND


def test_stripes_at_an_angle_are_not_of_the_ground(sky: FlatSky) -> None:
    rng = np.random.default_rng(3)
    for angle in np.radians([30, 45, 60, 90]):
        across = Y * np.cos(angle) + X * SHAPE[1] / SHAPE[0] * np.sin(angle)
        stripes = np.interp(across, np.linspace(-1.5, 1.5, 150), rng.standard_normal(150))
        assert not is_named(look(rng, WEIGHTS["square"], 3 * stripes, sky)), angle


def test_multipoles_that_are_not_judged_are_not_looked_at() -> None:
    rng = np.random.default_rng(4)
    rows = np.broadcast_to(rng.standard_normal((SHAPE[0], 1)), SHAPE)
    for cut, expected in ((0.0, True), (90.0, False)):
        found = look(rng, WEIGHTS["square"], rows, FlatSky(SHAPE, (STEP, -STEP), EDGES, kx_min=cut))
        assert is_named(found) is expected
    low = np.sin(2 * np.pi * np.degrees(Y * SHAPE[0] * STEP / 2) / 3)
    assert not is_named(look(rng, WEIGHTS["square"], low, FlatSky(SHAPE, (STEP, -STEP), EDGES)))
