"""Make a Gaussian sky as red as the microwave background, seen with a beam, and the geometry of its maps."""

from __future__ import annotations

import argparse

import healpy as hp
import numpy as np
from pixell import enmap

NSIDE = 256
BEAM_DEG = 0.5
MAP_DEG = [[-52, 57], [-32, 28]]
PIXEL_DEG = 0.25


def main() -> None:
    """Write the sky in K, and an empty map."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sky")
    parser.add_argument("area")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    ell = np.arange(3 * NSIDE)
    power = np.zeros((4, ell.size))
    power[0, 2:] = 2 * np.pi * (100e-6) ** 2 / (ell[2:] * (ell[2:] + 1))
    power[1], power[2] = 0.01 * power[0], 0.005 * power[0]
    np.random.seed(asked.seed)  # noqa: NPY002 -- healpy draws from it
    sky = hp.synfast(power, NSIDE, new=True, fwhm=np.radians(BEAM_DEG))
    hp.write_map(asked.sky, sky, overwrite=True, dtype=np.float32, column_units="K")
    shape, wcs = enmap.geometry(np.radians(MAP_DEG), res=np.radians(PIXEL_DEG), proj="car")
    enmap.write_map(asked.area, enmap.zeros(shape, wcs, dtype=np.uint8))


if __name__ == "__main__":
    main()
