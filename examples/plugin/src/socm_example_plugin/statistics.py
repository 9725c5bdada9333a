"""``python -m socm_example_plugin.statistics MAP RESULT``: the program that a job runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np


def main() -> None:
    """Write the statistics of a map of numbers, a .npy file or text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--above", type=float, default=0.0)
    asked = parser.parse_args()
    values = np.load(asked.map) if asked.map.suffix == ".npy" else np.loadtxt(asked.map)
    values = values[np.abs(values) >= asked.above]
    statistics = {"pixels": values.size, "mean": float(values.mean()), "rms": float(values.std())}
    asked.result.write_text(json.dumps(statistics, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
