"""From null maps to a verdict: half differences, spectra, PTEs, as pure functions and as a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from socm.formats.analysis_options import AnalysisOptions
    from socm.formats.null_spec import Unit
    from socm.nulls.judging.results import TestResult

    Source = str | Path | NDArray[Any]

__all__ = ["judge"]


def judge(
    groups: Mapping[str, Sequence[Mapping[str, Source]]],
    *,
    analysis: AnalysisOptions | Mapping[str, Any] | None = None,
    mask: Source | None = None,
    unit: Unit | None = None,
    wcs: Any = None,
    nested: bool = False,
    name: str = "maps",
    seed: int = 0,
    threads: int = 1,
) -> TestResult:
    """Return the judgement of a null test: spectra, their PTEs and flags for each comparison.

    groups: for each group a list of maps, each {"map": …, "ivar": …}; `wmap` may stand for `map` (a map times
    its inverse variance), `weights` or `variance` for `ivar`. A map is the path of a FITS file or an array
    (1, 2 or 3 planes: T; Q, U; T, Q, U; then the pixels), its weight one plane, one each, or a matrix. Arrays
    of two axes of pixels (ny, nx) are enmaps, or have their WCS from `wcs`; those of one axis are HEALPix
    maps of the whole sky in ring order, or `nested`, NaN or healpy's UNSEEN where they hold nothing. A plane
    of T may be without its axis.

    analysis: options, or some of them by name; see the `analysis` table in docs/reference.md. unit: of arrays
    and of files that name none; spectra are in its square times sr. seed: of the noise simulations. Raises
    DiagnosticError with every map that can't be used, ValueError for arguments of other shapes than these.
    """
    from socm.nulls.arrays import judge_given

    return judge_given(groups, analysis, mask, unit, wcs, nested, name, seed, threads)
