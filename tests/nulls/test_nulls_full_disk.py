"""A disk that fills up while half differences are written is an error that names the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WRITE = """
import sys
from pathlib import Path
import numpy as np
from astropy.wcs import WCS
from socm.diagnostics.edge import problem_of
from socm.nulls.pixels.healpix import HealpixGeometry
from socm.nulls.pixels.maps import Geometry, stream_map

wcs = WCS({"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CDELT1": -0.1, "CDELT2": 0.1})
for geometry in (HealpixGeometry(32, "RING"), Geometry((100, 120), wcs)):
    plane = np.ones(geometry.shape)
    try:
        with stream_map(Path("map.fits"), 3, geometry, "uK", plane > 0) as write:
            for _ in range(3):
                write(plane)
    except OSError as error:
        print(problem_of(error))
    else:
        print("written")
    print(sorted(path.name for path in Path().iterdir()))
"""


@pytest.mark.parametrize("size_kb", [4, 100, 140, 240, 400])
def test_what_fits_no_more_is_named_and_removed(tmp_path: Path, size_kb: int) -> None:
    """A map takes 144 kB (flat) or 246 kB; of the last sizes one or both fit."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", tmp_path], check=True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", WRITE], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    for outcome, files in zip(said[::2], said[1::2], strict=True):
        if outcome == "written":
            assert files == "['map.fits']"
        else:
            assert "file='map.fits'" in outcome
            assert "No space left on device" in outcome
            assert ".partial" not in files
    assert [outcome == "written" for outcome in said[::2]] == [size_kb > 246, size_kb > 144]
