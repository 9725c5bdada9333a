"""A workspace of null tests as a compile and its map jobs leave it, with maps made at map level."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from socm.formats.document import format_document
from socm.formats.file_record import digest_of
from socm.formats.manifest import Manifest, NullTestPlace
from socm.formats.null_spec import NullSpecification, Split, SplitGroup

COVERED: dict[str, Any] = {
    "format": 1,
    "asked": 12,
    "used": 12,
    "detector_sets_asked": 24,
    "detector_sets_used": 24,
    "samples": 1000,
    "fraction": 1.0,
    "minimum": 0.9,
    "skipped": [],
}
"""The coverage record of a map that holds all of its twelve observations, but for their digest."""


def make_geometry(size: int, resolution_deg: float) -> tuple[tuple[int, int], Any]:
    from pixell import enmap

    half = size * resolution_deg / 2
    box = np.radians([[-half, half], [half, -half]])
    return enmap.geometry(box, res=np.radians(resolution_deg), proj="car")


def write_null_test(
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
    """Write the maps of a null test into the working folder and return the path of its specification."""
    from pixell import enmap

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
            split = f"{group}_split_{number}"
            query = Path("workflow/splits", name, f"{split}.txt")
            query.parent.mkdir(parents=True, exist_ok=True)
            query.write_text("".join(f"obs_{split}_{index:02d}\n" for index in range(12)))
            record = COVERED | {"query_sha256": digest_of(query)} | (coverage or {}).get(split, {})
            (folder / "coverage.json").write_text(json.dumps(record))
            splits.append(
                Split(
                    name=split,
                    map=folder / "pass1_sky_map.fits",
                    ivar=folder / "sky_div.fits",
                    hits=folder / "sky_hits.fits",
                    coverage=folder / "coverage.json",
                    asked=12,
                    observations=query,
                )
            )
        rows.append(SplitGroup(name=group, splits=tuple(splits)))
    specification = Path("workflow/nulls", name, f"{name}.json")
    document = NullSpecification(
        test=name,
        seed=seed,
        min_coverage=0.9,
        groups=tuple(rows),
    )
    keys = json.loads(format_document(document))
    keys["analysis"] |= analysis or {}
    specification.parent.mkdir(parents=True, exist_ok=True)
    specification.write_text(json.dumps(keys))
    return specification


def write_manifest(
    tests: Mapping[Path, str | Path], files: Iterable[Path] = (), workspace: Path = Path()
) -> None:
    """Write the manifest of a campaign with these tests, specification to output folder, as a compile does.

    Beside `files`, it lists what is in workflow/nulls and workflow/splits.
    """
    folders = [workspace / "workflow" / name for name in ("nulls", "splits")]
    files = [*files, *(path for folder in folders for path in folder.rglob("*.*"))]
    manifest = Manifest(
        socm="0.1.0",
        campaign="survey",
        sources={},
        observations=(),
        null_tests=tuple(
            NullTestPlace(
                test=specification.stem,
                spec=str(specification.relative_to(workspace)),
                output_dir=str(folder),
            )
            for specification, folder in tests.items()
        ),
        rules={},
        files={_name(path, workspace): digest_of(path) for path in sorted(files)},
    )
    (workspace / "workflow").mkdir(exist_ok=True)
    (workspace / "workflow/manifest.json").write_bytes(format_document(manifest))


def _name(path: Path, workspace: Path) -> str:
    return str(path.relative_to(workspace) if path.is_relative_to(workspace) else path)
