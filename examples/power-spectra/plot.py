"""Draw spectra with their errors."""

from __future__ import annotations

import argparse

import matplotlib as mpl
import numpy as np


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spectra")
    parser.add_argument("picture")
    parser.add_argument("--log", action="store_true", help="logarithmic where it matters, linear around zero")
    asked = parser.parse_args()
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    ell, *columns = np.loadtxt(asked.spectra).T
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    scale = ell * (ell + 1) / (2 * np.pi)
    for name, mean, error in zip(("TT", "EE", "BB"), columns[:3], columns[3:], strict=True):
        axes.errorbar(ell, scale * mean, scale * error, fmt="o-", markersize=3, label=name)
    axes.axhline(0, color="grey", linewidth=0.8, linestyle="--")
    if asked.log:
        axes.set_yscale("symlog", linthresh=float(np.median(scale * columns[5])))
    axes.set_xlabel(r"multipole $\ell$")
    axes.set_ylabel(r"$\ell(\ell+1)C_\ell/2\pi\ [\mu K^2]$")
    axes.legend()
    figure.savefig(asked.picture, metadata={"Software": None})


if __name__ == "__main__":
    main()
