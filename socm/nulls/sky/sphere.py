"""Modes and noise on the sphere, for maps too large to be flat: harmonics by ducc0, through pixell."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.noise.draws import Single, SingleModes
from socm.nulls.options import AnalysisOptions
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.flat import Modes
from socm.nulls.sky.protocols import Draws, Families, MapsOnSky

OVERSAMPLING = 1.25
"""Pixels of the simulations' grid for each that its highest multipole needs."""


SPINS = {1: [0], 2: [2], 3: [0, 2]}
"""Spins of the planes of a map: of T, of Q and U, of all three."""


class SphericalSky:
    """Spherical harmonics of a cylindrical (CAR) map in bins of multipoles.

    wcs: the map's WCS, whose rows are parallels and whose columns are equally spaced. Power is the mean over
    all directions; noise is drawn as an isotropic field of the measured power, behind the maps' weight.
    """

    name = "sphere"

    def __init__(self, shape: tuple[int, int], wcs: Any, edges: Array, threads: int = 1) -> None:
        self.shape, self.wcs, self.edges, self.threads = shape, wcs, edges, threads
        self.highest = int(np.ceil(edges[-1])) - 1

    @cached_property
    def _chosen(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
        """Indices of the harmonics in bins, ordered by bin; where bins start; multiplicity; multipole."""
        number = np.concatenate([np.arange(order, self.highest + 1) for order in range(self.highest + 1)])
        order = np.repeat(np.arange(self.highest + 1), np.arange(self.highest + 1, 0, -1))
        bins = np.digitize(number, self.edges) - 1
        index = np.flatnonzero((bins >= 0) & (bins < len(self.edges) - 1))
        index = index[np.argsort(bins[index], kind="stable")]
        starts = np.searchsorted(bins[index], np.arange(len(self.edges)))
        return index, starts, np.where(order[index] > 0, 2.0, 1.0), number[index].astype(float)

    @property
    def starts(self) -> NDArray[np.intp]:
        """First harmonic of each bin, and the number of harmonics (bins + 1,)."""
        return self._chosen[1]

    @cached_property
    def counts(self) -> Array:
        """Real degrees of freedom of each bin (bins,): the sum of 2 l + 1."""
        return np.diff(np.concatenate([[0.0], np.cumsum(self._chosen[2])])[self.starts])

    @cached_property
    def multipoles(self) -> Array:
        """Mean multipole of each bin (bins,)."""
        total = np.concatenate([[0.0], np.cumsum(self._chosen[2] * self._chosen[3])])[self.starts]
        mean: Array = np.diff(total) / np.maximum(self.counts, 1)
        return mean

    @cached_property
    def pixel_area(self) -> Array:
        """Solid angle of a pixel of each row, (ny, 1), sr."""
        from pixell import enmap

        area: Array = np.asarray(enmap.pixsizemap(self.shape, self.wcs, broadcastable=True), dtype=float)
        return area

    def harmonics(self, weighted: NDArray[np.floating]) -> Modes:
        """Return spherical harmonics, in alm order: T of a weighted T; E, B of Q, U; T, E, B of T, Q, U."""
        from pixell import curvedsky, enmap

        alm: Modes = curvedsky.map2alm(
            enmap.ndmap(weighted, self.wcs),
            lmax=self.highest,
            spin=SPINS[len(weighted)],
            nthread=self.threads,
        )
        return alm

    def synthesize(self, alm: Modes) -> Single:
        """Return the planes of harmonics (components, alm); see `harmonics`."""
        from pixell import curvedsky, enmap

        planes = enmap.zeros((len(alm), *self.shape), self.wcs, np.float32)
        curvedsky.alm2map(alm, planes, spin=SPINS[len(alm)], nthread=self.threads)
        return np.asarray(planes)

    def coarser(self, planes: Array) -> tuple[SphericalSky, Single]:
        """Return a sky as coarse as the bins allow, and planes (..., ny, nx) averaged over its pixels."""
        from pixell import enmap

        finest = np.pi / (self.highest * OVERSAMPLING)
        step = max(1, int(finest / abs(np.radians(self.wcs.wcs.cdelt[1]))))
        coarse = enmap.ndmap(planes, self.wcs)
        if step > 1:
            coarse = enmap.downgrade(coarse, step)
        shape = (coarse.shape[-2], coarse.shape[-1])
        return SphericalSky(shape, coarse.wcs, self.edges, self.threads), np.asarray(coarse, dtype=np.float32)

    def modes(self, weighted: NDArray[np.floating]) -> Modes:
        """Return modes in bins (components, modes) of weighted maps (components, ny, nx); see `harmonics`."""
        index, _, twice, _ = self._chosen
        alm = self.harmonics(weighted)
        chosen: Modes = alm[..., index] * np.sqrt(twice).astype(alm.real.dtype)
        return chosen

    def normalization(self, weight: Array) -> Array:
        """Return what turns sums of products into spectra, (bins, components, components)."""
        overlap = np.einsum("cyx,dyx,yx->cd", weight, weight, np.broadcast_to(self.pixel_area, self.shape))
        factor: Array = (4 * np.pi / overlap)[None] / np.maximum(self.counts, 1)[:, None, None]
        return factor

    def make_draws(
        self, families: Families, edge: Array, modulations: Array, seed: np.random.SeedSequence
    ) -> Draws:
        """Return draws of isotropic noise with the families' power, on a grid as coarse as the bins allow."""
        factors: dict[int, Array] = {}
        norm = self.normalization(np.broadcast_to(edge, (modulations.shape[1], *edge.shape)))
        for fields, _, differences in families:
            power, count = np.zeros((len(self.counts), *norm.shape[1:])), 0
            for difference in differences:
                modes = self.modes(difference * edge)
                for number in range(len(self.counts)):
                    part = modes[:, self.starts[number] : self.starts[number + 1]]
                    power[number] += (part @ part.conj().T).real * norm[number]
                count += 1
            lower = np.linalg.cholesky(power / count + 1e-9 * np.max(power) * np.eye(power.shape[-1]))
            factors |= dict.fromkeys(fields, self._spread(lower))
        coarse, coarse_modulations = self.coarser(modulations)
        return SphericalDraws(coarse, factors, coarse_modulations, seed)

    def _spread(self, lower: Array) -> Array:
        """Return values (bins, …) at each multipole (multipoles, …): those of the nearest bin."""
        number = np.digitize(np.arange(self.highest + 1), self.edges) - 1
        return lower[np.clip(number, 0, len(lower) - 1)]


class SphericalDraws:
    """Draws modes of weighted isotropic noise.

    factors: of each field's power, (multipoles, components, components); modulations: weight times the root
    of the variance, (fields, components, pixels of the sky).
    """

    def __init__(
        self,
        sky: SphericalSky,
        factors: dict[int, Array],
        modulations: Single,
        seed: np.random.SeedSequence,
    ) -> None:
        self._sky, self._factors, self._modulations = sky, factors, modulations
        self._rng = np.random.Generator(np.random.SFC64(seed))

    @property
    def starts(self) -> NDArray[np.intp]:
        """First harmonic of each bin, and the number of harmonics (bins + 1,)."""
        return self._sky.starts

    @property
    def spread(self) -> Array:
        """Factor on cross-spectra of two fields: isotropic noise is even, and loses nothing of it."""
        return np.ones((self._modulations.shape[1], self._modulations.shape[1]))

    def draw(self, field: int, count: int) -> SingleModes:
        """Return modes of independent draws of a field's noise, (count, components, modes)."""
        components = self._modulations.shape[1]
        lower = self._factors[field].astype(np.float32)
        highest = self._sky.highest
        number = np.concatenate([np.arange(order, highest + 1) for order in range(highest + 1)])
        modes = np.empty((count, components, int(self.starts[-1])), np.complex64)
        for index in range(count):
            white = self._rng.standard_normal((components, len(number), 2), dtype=np.float32)
            white[:, highest + 1 :] *= np.float32(np.sqrt(0.5))
            white[:, : highest + 1, 1] = 0
            alm = np.einsum("ncd,dn->cn", lower[number], white.view(np.complex64)[..., 0])
            modes[index] = self._sky.modes(self._sky.synthesize(alm) * self._modulations[field])
        return modes


def make_spherical(maps: MapsOnSky, options: AnalysisOptions, threads: int = 1) -> SphericalSky:
    """Return the spherical treatment of maps; raises DiagnosticError if they aren't cylindrical."""
    from pixell import wcsutils

    if maps.wcs is None or not wcsutils.is_cyl(maps.wcs):
        raise DiagnosticError(
            Diagnostic(
                "map-too-large",
                f"Maps of {maps.sides_deg[0]:.1f} × {maps.sides_deg[1]:.1f} deg are too large to be flat",
                hint="Larger maps must be cylindrical (CAR), for spherical harmonics.",
            )
        )
    if options.kx_min or options.ky_min:
        raise DiagnosticError(
            Diagnostic(
                "cut-needs-flat-sky",
                "kx_min and ky_min cut modes of a flat sky; these maps are too large to be flat",
                key=("kx_min",),
            )
        )
    nyquist = float(np.pi / max(abs(np.radians(step)) for step in maps.wcs.wcs.cdelt))
    shape = (maps.shape[0], maps.shape[1])
    return SphericalSky(shape, maps.wcs, choose_edges(options, min(maps.sides_deg), nyquist), threads)
