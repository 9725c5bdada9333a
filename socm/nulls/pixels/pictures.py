"""Pictures of half differences: T, Q and U side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from socm.formats.document import replace_file
from socm.nulls.pixels.healpix import HealpixGeometry, picture_grid
from socm.nulls.pixels.maps import Geometry, Pixelization
from socm.nulls.pixels.units import shown_unit
from socm.nulls.pixels.weights import Plane

LARGEST_SIDE = 900
"""Pixels of a drawn map's longer side; larger maps are averaged down to it."""


class Canvas:
    """What maps of a test are drawn on: rows and columns, averaged down to a picture's size.

    weight: over the whole maps, zero outside the mask, whose edge is drawn. HEALPix maps are drawn on a
    cylindrical grid, each point in the colour of its pixel.
    """

    def __init__(self, weight: Plane, pixels: Pixelization) -> None:
        self._numbers: NDArray[np.intp] | None = None
        if isinstance(pixels, HealpixGeometry):
            self._geometry, self._numbers = picture_grid(pixels, weight > 0, LARGEST_SIDE)
        elif isinstance(pixels, Geometry):
            self._geometry = pixels
        else:
            raise TypeError(f"no picture of {pixels.projection}")
        self._step = -(-max(self._geometry.shape) // LARGEST_SIDE)
        self._whole = self._on_rows(weight)
        self._weight = _average(self._whole, np.ones_like(self._whole), self._step)

    def _on_rows(self, plane: Plane) -> Plane:
        rows: Plane = plane if self._numbers is None else plane[self._numbers]
        return rows

    def reduce(self, plane: Plane) -> Plane:
        """Return a plane as small as its picture."""
        return _average(self._on_rows(plane), self._whole, self._step)

    def draw(self, path: Path, planes: Mapping[str, Plane], *, title: str, unit: str) -> None:
        """Write a PNG: a panel for each component, by its letter, colours symmetric at ±3 sigma.

        planes: reduced. Sigma is each panel's own weighted rms.
        """
        draw_panels(path, planes, self._weight, self._geometry, title=title, unit=unit)


def draw_panels(
    path: Path,
    planes: Mapping[str, Plane],
    weight: Plane,
    geometry: Geometry,
    *,
    title: str,
    unit: str,
) -> None:
    """Write a PNG of planes (ny, nx) by letter; see `Canvas.draw`."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    unit, factor = shown_unit(unit)
    inside = weight > 0
    left, right, bottom, top = _extent_deg(geometry)
    height_deg, width_deg = abs(top - bottom), abs(right - left)
    width = 3.6
    height = float(np.clip(width * height_deg / width_deg / _cosine(geometry), 1.6, 4.5)) + 1.5
    figure = Figure(figsize=(width * len(planes) + 0.6, height), layout=ConstrainedLayoutEngine(h_pad=0.12))
    FigureCanvasAgg(figure)
    colours = colormaps["RdBu_r"].with_extremes(bad="0.85")
    axes = figure.subplots(1, len(planes), squeeze=False, sharey=True)[0]
    for axis, (component, values) in zip(axes, planes.items(), strict=True):
        drawn = np.where(inside, values * factor, np.nan)
        sigma = float(np.sqrt(np.nansum(weight * drawn**2) / weight.sum()))
        limit = 3 * sigma if sigma > 0 else 1.0
        picture = axis.imshow(
            drawn,
            origin="lower",
            extent=(left, right, bottom, top),
            cmap=colours,
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
            aspect=1 / _cosine(geometry),
        )
        if inside.any() and not inside.all():
            axis.contour(
                inside.astype(float),
                levels=[0.5],
                colors="black",
                linewidths=0.8,
                extent=(left, right, bottom, top),
            )
        axis.set_title(f"{component}: σ = {sigma:.3g} {unit}", fontsize=10)
        axis.set_xlabel("right ascension [deg]")
        figure.colorbar(picture, ax=axis, location="bottom", shrink=0.85, label=f"{unit} (±3σ)")
    axes[0].set_ylabel("declination [deg]")
    figure.suptitle(title, fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    replace_file(path, content.getvalue())


def _cosine(geometry: Geometry) -> float:
    return max(float(np.cos(np.radians(geometry.declination_deg.mean()))), 0.2)


def _extent_deg(geometry: Geometry) -> tuple[float, float, float, float]:
    """Return left and right edge in right ascension, bottom and top edge in declination, in degrees."""
    y, x = geometry.wcs.wcs.cdelt[1] / 2, geometry.wcs.wcs.cdelt[0] / 2
    longitude, latitude = geometry.right_ascension_deg, geometry.declination_deg
    return longitude[0] - x, longitude[-1] + x, latitude[0] - y, latitude[-1] + y


def _average(values: Plane, weight: Plane, step: int) -> Plane:
    """Return the weighted mean over blocks of step × step pixels; a ragged last block is dropped."""
    if step == 1:
        return values
    ny, nx = values.shape[0] // step, values.shape[1] // step
    blocks = (ny, step, nx, step)

    def total(array: Plane) -> Plane:
        summed: Plane = array[: ny * step, : nx * step].reshape(blocks).sum(axis=(1, 3))
        return summed

    norm = total(weight)
    return np.divide(total(values * weight), norm, out=np.zeros_like(norm), where=norm > 0)
