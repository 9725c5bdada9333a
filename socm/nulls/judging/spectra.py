"""Cross pseudo-spectra of a comparison, from the products of its maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socm.nulls.judging.differences import Comparison
from socm.nulls.pixels.weights import Array

FIELDS = {1: "T", 2: "EB", 3: "TEB"}
"""What the modes of maps are, by the number of their planes: of T, of Q and U, of all three."""


@dataclass(frozen=True)
class Forms:
    """A comparison as quadratic forms over fields (maps, or half differences).

    cross: (fields, fields), symmetric: sum_kl cross_kl m_k m_l is the mean over crosses d_i d_j; its diagonal
    is zero, so noise that is independent between maps has mean zero. noise: (fields, fields): the same for
    |d_i - d_j|^2 / 2, the noise power of one half difference, free of whatever the legs share. per_field:
    mean of sum_k c_k^2, the part of a field's own noise power in `noise`. side: (fields,), 1 where a field is
    on the plus side (0.5 if it is a half difference itself).
    """

    cross: Array
    noise: Array
    per_field: float
    side: Array


def make_forms(comparison: Comparison, fields: Array) -> Forms:
    """Return the forms of a comparison over fields, each a row of coefficients of the maps.

    fields: (fields, maps). Raises ValueError if the comparison has no cross, or can't be made of the fields.
    """
    if not comparison.has_cross:
        raise ValueError(f"{comparison.name} has a single half difference and no cross")
    legs = comparison.legs @ np.linalg.pinv(fields)
    if not np.allclose(legs @ fields, comparison.legs):
        raise ValueError(f"{comparison.name} can't be made of these fields")
    size = fields.shape[0]
    cross, noise = np.zeros((size, size)), np.zeros((size, size))
    for one, other in comparison.crosses:
        product = np.outer(legs[one], legs[other])
        cross += (product + product.T) / 2
        step = legs[one] - legs[other]
        noise += np.outer(step, step) / 2
    pairs = len(comparison.crosses)
    side = fields @ (comparison.legs.max(axis=0) > 0).astype(float)
    cross, noise = cross / pairs, noise / pairs
    np.testing.assert_allclose(np.diag(cross), 0, atol=1e-12)
    return Forms(cross, noise, float(np.trace(noise)), side)


@dataclass(frozen=True)
class BandPowers:
    """Spectra of one comparison in bins: power and the scale of its noise, (..., spectra, bins)."""

    cross: Array
    scale: Array

    @property
    def ratio(self) -> Array:
        """Cross power over noise power: the statistic, whose distribution hardly depends on the noise.

        For one spectrum of two fields with as many legs, 1 + n × ratio is Fisher's F of an analysis of
        variance with (nu, (n - 1) nu) degrees of freedom: the power shared by the legs over the power
        that differs. Data and simulations are both divided by their own noise power, measured in their own
        sub-splits, so a noise model that is off in amplitude cancels.
        """
        return np.divide(self.cross, self.scale, out=np.zeros_like(self.cross), where=self.scale > 0)


def measure(products: Array, forms: Forms, spectra: Sequence[str]) -> BandPowers:
    """Return the band powers of a comparison.

    products: normalised mean products (..., bins, fields, components, fields, components), unit^2 sr, of the
    modes that `FIELDS` names. The
    noise scale of a spectrum XY is sqrt((N_XX N_YY + N_XY^2) / 2), which is N_XX for X = Y (Knox 1995,
    PRD 52, 4307).
    """
    crosses, scales = [], []
    noise: dict[tuple[int, int], Array] = {}
    letters = FIELDS[products.shape[-1]]

    def power_of_noise(x: int, y: int) -> Array:
        if (x, y) not in noise:
            noise[x, y] = np.einsum("...kl,kl->...", products[..., :, x, :, y], forms.noise)
        return noise[x, y]

    for name in spectra:
        x, y = letters.index(name[0]), letters.index(name[1])
        crosses.append(np.einsum("...kl,kl->...", products[..., :, x, :, y], forms.cross))
        variance = power_of_noise(x, x) * power_of_noise(y, y) + power_of_noise(x, y) ** 2
        scales.append(np.sqrt(np.maximum(variance, 0) / 2))
    return BandPowers(np.stack(crosses, axis=-2), np.stack(scales, axis=-2))


def variance_factor(forms: Forms) -> float:
    """Return v with var(C_b) = v × scale^2 / nu_b, for fields of equal noise: 2 tr(A^2) / (sum c^2)^2.

    For n legs of two groups v = 2 / (n (n - 1)).
    """
    return float(2 * np.sum(forms.cross**2) / forms.per_field**2)
