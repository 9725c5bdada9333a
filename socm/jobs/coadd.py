"""The sum of depth-1 maps: one map of all scans of a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def coadd_depth1_maps(row: Mapping[str, Any]) -> int:
    """Write the inverse-variance weighted mean of a job's depth-1 maps on its area; return their number.

    The weight of a pixel is the sum of the maps' own, which is that of T for all components. Raises
    ValueError where there is no map.
    """
    import numpy as np
    from pixell import enmap, wcsutils

    outputs = row["outputs"]
    files = sorted(Path(outputs["depth1"]).glob("*/depth1_*_map.fits"))
    if not files:
        raise ValueError(f"{outputs['depth1']} holds no map: no scan of the observations could be mapped")
    shape, wcs = enmap.read_map_geometry(row["inputs"]["area"])
    # Built anew from its header, as make-depth1-map does it: defaults of the file may be of another version.
    wcs = wcsutils.WCS(wcs.to_header())
    weight = enmap.zeros(shape[-2:], wcs, np.float64)
    total = enmap.zeros((*enmap.read_map_geometry(str(files[0]))[0][:-2], *shape[-2:]), wcs, np.float64)
    for file in files:
        one = enmap.read_map(str(file))
        ivar = enmap.read_map(str(file).removesuffix("_map.fits") + "_ivar.fits")
        unit = enmap.read_fits_header(str(file))["BUNIT"]
        weight.insert(ivar, op=np.ndarray.__iadd__)
        total.insert(one * ivar, op=np.ndarray.__iadd__)
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    enmap.write_map(outputs["map"], mean, extra={"BUNIT": unit})
    enmap.write_map(outputs["ivar"], weight, extra={"BUNIT": f"{unit}^-2"})
    return len(files)
