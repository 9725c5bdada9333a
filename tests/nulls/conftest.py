"""Null tests made at map level, with the files a mapmaker would have written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Write = Callable[..., Path]


def make_geometry(size: int, resolution_deg: float) -> tuple[tuple[int, int], Any]:
    from pixell import enmap

    half = size * resolution_deg / 2
    box = np.radians([[-half, half], [half, -half]])
    return enmap.geometry(box, res=np.radians(resolution_deg), proj="car")


@pytest.fixture
def write_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the maps of a null test into the working folder and return the path of its specification."""
    from pixell import enmap

    monkeypatch.chdir(tmp_path)

    def write(
        groups: dict[str, int],
        *,
        name: str = "direction-tests",
        size: int = 64,
        resolution_deg: float = 0.25,
        noise_uk: float = 10.0,
        sky: np.ndarray | None = None,
        systematic: dict[str, np.ndarray] | None = None,
        coverage: dict[str, Any] | None = None,
        analysis: dict[str, Any] | None = None,
        seed: int = 0,
        untiled_ivar: bool = False,
    ) -> Path:
        rng = np.random.default_rng(seed)
        shape, wcs = make_geometry(size, resolution_deg)
        y, x = np.mgrid[-1 : 1 : 1j * shape[0], -1 : 1 : 1j * shape[1]]
        rows = []
        for group, count in groups.items():
            splits = []
            for number in range(1, count + 1):
                folder = Path(f"results/{group}_split_{number}")
                folder.mkdir(parents=True, exist_ok=True)
                depth = (1.2 - 0.5 * x**2 - 0.4 * y**2) * rng.uniform(0.8, 1.2)
                depth[: shape[0] // 16] = 0
                weight = depth * np.array([1.0, 0.5, 0.5])[:, None, None] / noise_uk**2
                scatter = np.divide(1, np.sqrt(weight), out=np.zeros_like(weight), where=weight > 0)
                values = rng.standard_normal((3, *shape)) * scatter
                for extra in (sky, (systematic or {}).get(group)):
                    values += 0 if extra is None else extra
                ivar = np.zeros((3, 3, *shape))
                ivar[[0, 1, 2], [0, 1, 2]] = weight
                enmap.write_map(
                    str(folder / "pass1_sky_map.fits"), enmap.ndmap(values, wcs), extra={"BUNIT": "uK"}
                )
                enmap.write_map(
                    str(folder / "sky_div.fits"),
                    enmap.ndmap(weight if untiled_ivar else ivar, wcs),
                    extra={"BUNIT": "uK^-2"},
                )
                enmap.write_map(
                    str(folder / "sky_hits.fits"),
                    enmap.ndmap((depth > 0) * 100.0, wcs),
                    extra={"BUNIT": "hits"},
                )
                record = {"asked": 12, "used": 12, "fraction": 1.0, "minimum": 0.9, "skipped": []}
                record |= (coverage or {}).get(f"{group}_split_{number}", {})
                (folder / "coverage.json").write_text(json.dumps(record))
                splits.append(
                    {
                        "name": f"{group}_split_{number}",
                        "map": str(folder / "pass1_sky_map.fits"),
                        "ivar": str(folder / "sky_div.fits"),
                        "hits": str(folder / "sky_hits.fits"),
                        "coverage": str(folder / "coverage.json"),
                        "asked": 12,
                    }
                )
            rows.append({"name": group, "splits": splits})
        specification = Path(f"{name}.json")
        document = {"test": name, "groups": rows, "analysis": analysis or {}, "seed": seed}
        specification.write_text(json.dumps(document))
        return specification

    return write
