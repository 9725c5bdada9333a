"""Pictures of half differences: T, Q and U side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from socm.nulls.pixels.healpix import HealpixGeometry, picture_grid
from socm.nulls.pixels.maps import COMPONENTS, Geometry, Pixelization
from socm.nulls.pixels.weights import Array

LARGEST_SIDE = 900
"""Pixels of a drawn map's longer side; larger maps are averaged down to it."""


def draw_difference(
    path: Path,
    planes: Sequence[Array],
    weight: Array,
    pixels: Pixelization,
    *,
    title: str,
    unit: str,
) -> None:
    """Write a PNG of one half difference: a panel a component, colours symmetric at ±3 sigma.

    planes: T, or Q, U, or all three; weight: zero outside the mask, whose edge is drawn. HEALPix maps are
    drawn on a cylindrical grid, each point in the colour of its pixel.
    Sigma is each panel's own weighted rms, after averaging down if the map was too large to draw.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    planes, weight, geometry = _on_rows(planes, weight, pixels)
    step = -(-max(geometry.shape) // LARGEST_SIDE)
    drawn_weight = _average(weight, np.ones_like(weight), step)
    inside = drawn_weight > 0
    left, right, bottom, top = _extent_deg(geometry)
    height_deg, width_deg = abs(top - bottom), abs(right - left)
    width = 3.6
    height = float(np.clip(width * height_deg / width_deg / _cosine(geometry), 1.6, 4.5)) + 1.5
    figure = Figure(figsize=(width * len(planes) + 0.6, height), layout=ConstrainedLayoutEngine(h_pad=0.12))
    FigureCanvasAgg(figure)
    colours = colormaps["RdBu_r"].with_extremes(bad="0.85")
    axes = figure.subplots(1, len(planes), squeeze=False, sharey=True)[0]
    for axis, values, component in zip(axes, planes, COMPONENTS[len(planes)], strict=True):
        drawn = np.where(inside, _average(values, weight, step), np.nan)
        sigma = float(np.sqrt(np.nansum(drawn_weight * drawn**2) / drawn_weight.sum()))
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
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _on_rows(
    planes: Sequence[Array], weight: Array, pixels: Pixelization
) -> tuple[Sequence[Array], Array, Geometry]:
    """Return planes and weight on rows and columns."""
    if isinstance(pixels, HealpixGeometry):
        geometry, numbers = picture_grid(pixels, weight > 0, LARGEST_SIDE)
        return [plane[numbers] for plane in planes], weight[numbers], geometry
    if not isinstance(pixels, Geometry):
        raise TypeError(f"no picture of {pixels.projection}")
    return planes, weight, pixels


def _cosine(geometry: Geometry) -> float:
    return max(float(np.cos(np.radians(geometry.declination_deg.mean()))), 0.2)


def _extent_deg(geometry: Geometry) -> tuple[float, float, float, float]:
    """Return left and right edge in right ascension, bottom and top edge in declination, in degrees."""
    y, x = geometry.wcs.wcs.cdelt[1] / 2, geometry.wcs.wcs.cdelt[0] / 2
    longitude, latitude = geometry.right_ascension_deg, geometry.declination_deg
    return longitude[0] - x, longitude[-1] + x, latitude[0] - y, latitude[-1] + y


def _average(values: Array, weight: Array, step: int) -> Array:
    """Return the weighted mean over blocks of step × step pixels; a ragged last block is dropped."""
    if step == 1:
        return values
    ny, nx = values.shape[0] // step, values.shape[1] // step
    blocks = (ny, step, nx, step)

    def total(array: Array) -> Array:
        summed: Array = array[: ny * step, : nx * step].reshape(blocks).sum(axis=(1, 3))
        return summed

    norm = total(weight)
    return np.divide(total(values * weight), norm, out=np.zeros_like(norm), where=norm > 0)
