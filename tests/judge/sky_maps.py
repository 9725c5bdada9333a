"""Maps of white noise on small patches, in files as any mapmaker may have written them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIDE_DEG, STEP_DEG = 10.0, 0.125
NOISE_UK = 10.0


def car_geometry(side_deg: float = SIDE_DEG, step_deg: float = STEP_DEG) -> tuple[tuple[int, int], Any]:
    from pixell import enmap

    half = side_deg / 2
    box = np.radians([[-half, half], [half, -half]])
    return enmap.geometry(box, res=np.radians(step_deg), proj="car")


def noise(components: int, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a map in uK and its inverse variance in uK^-2, both (components, pixels)."""
    rng = np.random.default_rng(seed)
    depth = np.linspace(0.7, 1.3, int(np.prod(shape))).reshape(shape)
    ivar = np.broadcast_to(depth / NOISE_UK**2, (components, *shape)).copy()
    return rng.standard_normal((components, *shape)) / np.sqrt(ivar), ivar


def write_car(
    path: Path, planes: np.ndarray, unit: str | None = "uK", wcs: Any = None, **header: Any
) -> None:
    from pixell import enmap

    extra = dict(header) if unit is None else {"BUNIT": unit, **header}
    enmap.write_map(str(path), enmap.ndmap(planes, wcs or car_geometry()[1]), extra=extra)


def write_columns(path: Path, planes: Sequence[np.ndarray], geometry: Any, unit: str) -> None:
    """Write a HEALPix table of the pixels where one of the planes isn't zero."""
    from socm.nulls.pixels.maps import stream_map

    with stream_map(
        path, len(planes), geometry, unit, np.any([plane != 0 for plane in planes], axis=0)
    ) as write:
        for plane in planes:
            write(plane)


def write_pair(
    folder: Path, name: str, components: int = 3, seed: int = 0, scale: float = 1.0, unit: str = "uK"
) -> None:
    """Write NAME.fits and NAME_ivar.fits, a CAR map in a unit that is `1 / scale` uK."""
    values, ivar = noise(components, car_geometry()[0], seed)
    write_car(folder / f"{name}.fits", values * scale, unit)
    write_car(folder / f"{name}_ivar.fits", ivar / scale**2, f"{unit}^-2")


def entry(name: str, **keys: str) -> str:
    """Return a map of a group as TOML."""
    pairs = {"map": f"{name}.fits", "ivar": f"{name}_ivar.fits"} | keys
    return "{ " + ", ".join(f'{key} = "{value}"' for key, value in pairs.items() if value) + " }"


def toml(
    groups: Mapping[str, list[str]], *, test: str = "direction", analysis: str = "", nulls: str = ""
) -> str:
    """Return a file of `socm judge` with one test."""
    lists = "\n".join(f"{name} = [{', '.join(members)}]" for name, members in groups.items())
    return (
        f'[nulls]\noutput_dir = "results"\n{nulls}\n[nulls.analysis]\n{FAST}{analysis}\n'
        f"[nulls.tests.{test}.groups]\n{lists}\n"
    )


FAST = "bin_edges = [200, 400, 600, 800]\nsimulations = 60\n"


def two_groups(**keys: str) -> dict[str, list[str]]:
    return {
        group: [entry(f"{group[0]}{number}", **keys) for number in (1, 2)] for group in ("rising", "setting")
    }


def write_four(folder: Path, components: int = 3, seed: int = 0) -> None:
    for number, name in enumerate(("r1", "r2", "s1", "s2")):
        write_pair(folder, name, components, seed=10 * seed + number)
