"""Binned pseudo-spectra of the crosses of maps, whose noise is not the same in any two."""

from __future__ import annotations

import argparse
import itertools

import numpy as np
from pixell import enmap


def main() -> None:
    """Write the mean of all crosses and its scatter, one line a bin: l, TT, EE, BB and their errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spectra")
    parser.add_argument("mask")
    parser.add_argument("maps", nargs="+")
    parser.add_argument("--lmax", type=int, default=3000)
    parser.add_argument("--width", type=int, default=300, help="width of a bin in l")
    asked = parser.parse_args()
    mask = enmap.read_map(asked.mask)
    waves = [enmap.map2harm(enmap.read_map(path) * mask, normalize="phys") for path in asked.maps]
    edges = np.arange(0, asked.lmax + 1, asked.width)
    bins = np.digitize(mask.modlmap(), edges) - 1
    crosses = [
        binned((one * other.conj()).real / np.mean(mask**2), bins, len(edges) - 1)
        for one, other in itertools.combinations(waves, 2)
    ]
    mean, error = np.mean(crosses, axis=0), np.std(crosses, axis=0) / np.sqrt(len(crosses))
    table = np.column_stack([(edges[1:] + edges[:-1]) / 2, mean.T, error.T])
    header = f"{len(crosses)} crosses\nl TT EE BB  error_TT error_EE error_BB [uK^2]"
    np.savetxt(asked.spectra, table, fmt="%.6e", header=header)


def binned(power: np.ndarray, bins: np.ndarray, number: int) -> np.ndarray:
    """Return the mean power in each bin for each of T, E and B."""
    inside = (bins >= 0) & (bins < number)
    counts = np.bincount(bins[inside], minlength=number)
    return np.array([np.bincount(bins[inside], one[inside], number) / counts for one in power])


if __name__ == "__main__":
    main()
