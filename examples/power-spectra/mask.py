"""Make a mask where all maps have data, smooth towards its edge."""

from __future__ import annotations

import argparse

import numpy as np
from pixell import enmap


def main() -> None:
    """Write the mask: 1 inside, 0 where a map has no data, a cosine between."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mask")
    parser.add_argument("ivar", nargs="+")
    parser.add_argument("--apodisation", type=float, default=0.3, help="width of the edge, deg")
    asked = parser.parse_args()
    weights = [enmap.read_map(path) for path in asked.ivar]
    good = np.all([weight[(0,) * (weight.ndim - 2)] > 0 for weight in weights], axis=0)
    inside = enmap.ndmap(good, weights[0].wcs)
    # Beyond the map's own border there is no data either.
    inside[..., [0, -1], :] = inside[..., [0, -1]] = False
    enmap.write_map(asked.mask, enmap.apod_mask(inside, np.radians(asked.apodisation)).astype(np.float64))


if __name__ == "__main__":
    main()
