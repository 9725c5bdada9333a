"""Fail if a spectrum isn't a number somewhere, or if there is more B than T."""

from __future__ import annotations

import argparse
import sys

import numpy as np


def main() -> int:
    """Say what was found; return 1 if it can't be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spectra")
    asked = parser.parse_args()
    table = np.loadtxt(asked.spectra)
    if not np.isfinite(table).all():
        sys.stderr.write(f"{asked.spectra} holds what is no number\n")
        return 1
    power_t, power_b = table[1:, 1].sum(), table[1:, 3].sum()
    sys.stdout.write(f"{len(table)} bins; T {power_t:.3g} uK^2, B {power_b:.3g} uK^2\n")
    return int(power_b > power_t)


if __name__ == "__main__":
    sys.exit(main())
