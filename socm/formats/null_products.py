"""What a null test's job leaves: pte.json, spectra.npz, and summary.json, which says what they rest on."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from socm.diagnostics import DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.formats.coverage import Skipped
from socm.formats.document import Document, Part, format_document
from socm.formats.file_record import FileRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY, PTES, SPECTRA = "summary.json", "pte.json", "spectra.npz"
REMEDY = "The null test's job writes it: run that job again."

SMALLEST_PTE = 1e-300
"""A PTE that is smaller is zero in floating point; no PTE is."""

Pte = Annotated[float, Field(gt=0, le=1)]


class Judgement(Part):
    """What is said of one spectrum of a comparison; `found_rms` is null where nothing would be found."""

    spectrum: str
    chi_square: float
    bins: int
    pte: Pte
    pte_chi_square: Pte
    pte_rank: Pte
    chi: float
    pte_chi: Pte
    worst: float
    pte_worst: Pte
    found_rms: dict[str, float | None]


class Finding(Part):
    """One number of a diagnosis, or a remark without one.

    name: one of socm.nulls.diagnosis.findings; value, error: in `unit`; significance: in sigma; detected:
    whether it differs from what no systematic would give; limit: of a difference that doesn't, in `unit`, its
    size and two errors; spectrum: that it is of; of: splits that
    it names.
    """

    name: str
    value: float | None = None
    error: float | None = None
    unit: str = ""
    significance: float | None = None
    detected: bool
    limit: float | None = None
    sentence: str
    spectrum: str = ""
    of: tuple[str, ...] = ()


class Diagnosis(Part):
    """Why a comparison failed, as far as its maps say; `causes`: names of findings."""

    conclusion: str
    causes: tuple[str, ...]
    findings: tuple[Finding, ...]


class JudgedComparison(Part):
    """A comparison and the judgement of each of its spectra; a diagnosis only where one is remarkable.

    Judgements of before socm diagnosed hold none either.
    """

    name: str
    label: str
    judgements: tuple[Judgement, ...]
    diagnosis: Diagnosis | None = None


class Cut(Part):
    """A cut of modes in which stripes lie: `key` of the analysis at a multipole.

    rms_factor: the smallest systematic that would be found with it, over that found without.
    """

    key: Literal["ky_min", "kx_min"]
    multipole: float = Field(gt=0)
    rms_factor: float = Field(gt=0, le=1)


class Ptes(Document):
    """What was judged and how, numbers only.

    A test is `complete` if every split holds what it must and every comparison was judged. edges: (bins +
    1,); multipoles: (bins,); freedom: effective modes, of T or of E and B, whichever are fewer (bins,).
    cuts: that would make the test find more; judgements of before socm looked for them hold none.
    """

    noun: ClassVar[str] = "file of PTEs"
    remedy: ClassVar[str] = REMEDY

    test: str
    variant: str
    seed: int
    complete: bool
    under_covered: tuple[str, ...]
    unjudged: tuple[str, ...]
    sky: str
    noise_source: str
    simulations: int
    family_level: float
    spectra: tuple[str, ...]
    edges: tuple[float, ...]
    multipoles: tuple[float, ...]
    freedom: tuple[float, ...]
    comparisons: tuple[JudgedComparison, ...]
    cuts: tuple[Cut, ...] = ()


class Rms(Part):
    """Weighted rms of a difference, and what the inverse variance promises; null without weight."""

    measured: float | None
    expected: float | None
    ratio: float | None


class MeanDifference(Part):
    """The mean of a comparison's half differences: its picture, a file beside the summary, and its rms."""

    comparison: str
    label: str
    picture: str
    rms: dict[str, Rms]


class HalfDifference(MeanDifference):
    """One half difference: the splits on either side, and its file beside the summary."""

    number: int
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    file: str


class SplitSummary(Part):
    """What a split's map holds. `uncovered` says why the map can't count as holding what it must."""

    group: str
    name: str
    asked: int | None
    used: int | None
    fraction: float | None
    minimum: float
    skipped: tuple[Skipped, ...]
    uncovered: str | None
    hits: float | None
    balance: dict[str, float | None]


class Support(Part):
    """The sky that all maps of a test share."""

    shape: tuple[int, ...]
    pixel_arcmin: tuple[float, ...]
    apodization_deg: float
    pixel_fraction: float
    area_deg2: float


class Summary(Document):
    """A null test's own account: its maps, its differences, and what its products rest on.

    rests_on: the specification first, then every file that was read. products: digests of the files beside
    the summary that belong to it. seal: the digest of all the rest of the summary.
    """

    noun: ClassVar[str] = "summary"
    remedy: ClassVar[str] = REMEDY

    test: str
    variant: str
    seed: int
    unit: str
    options: AnalysisOptions
    support: Support
    splits: tuple[SplitSummary, ...]
    differences: tuple[HalfDifference, ...]
    comparisons: tuple[MeanDifference, ...]
    rests_on: tuple[FileRecord, ...] = Field(min_length=1)
    products: dict[str, str]
    seal: str = ""

    def sealed(self) -> Self:
        """Return the summary with its seal."""
        return self.model_copy(update={"seal": self._digest()})

    @property
    def is_intact(self) -> bool:
        """Whether the summary is as it was sealed."""
        return self.seal == self._digest()

    def _digest(self) -> str:
        return hashlib.sha256(format_document(self.model_copy(update={"seal": ""}))).hexdigest()


_SHAPES: Mapping[str, tuple[str, ...]] = {
    "edges": ("edges",),
    "multipoles": ("bins",),
    "freedom": ("bins",),
    "power": ("comparisons", "spectra", "bins"),
    "sigma": ("comparisons", "spectra", "bins"),
    "noise": ("comparisons", "spectra", "bins"),
    "ratio": ("comparisons", "spectra", "bins"),
    "deviation": ("comparisons", "spectra", "bins"),
    "simulated": ("comparisons", "simulations", "spectra", "bins"),
}
"""The arrays of numbers in spectra.npz, beside the names `spectra` and `comparisons`."""


def format_spectra(arrays: Mapping[str, NDArray[Any]], ptes: Ptes) -> bytes:
    """Return the content of spectra.npz: plain arrays that numpy reads without any other library.

    Null pipelines of the field keep spectra as numpy arrays; SACC serves likelihoods and would add a
    dependency to read them. Raises DiagnosticError as `parse_spectra` does.
    """
    import numpy as np

    content = io.BytesIO()
    np.savez(content, **dict[str, Any](arrays))
    parse_spectra(content.getvalue(), ptes, Path(SPECTRA))
    return content.getvalue()


def parse_spectra(content: bytes, ptes: Ptes, path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of spectra.npz, which belong to `ptes`; `path` is what messages call the file.

    edges (bins + 1,), multipoles, freedom (bins,), spectra, comparisons (names); power, sigma, noise, ratio,
    deviation (comparisons, spectra, bins); simulated (comparisons, simulations, spectra, bins): the ratios
    that the campaign's verdict needs. Raises DiagnosticError damaged-file for what numpy can't read, for an
    array that is absent or of another shape, and for NaN and infinity.
    """
    import numpy as np

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*_SHAPES, "spectra", "comparisons")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        reason = "it is empty" if not content else f"numpy can't read it: {error}"
        raise _damaged(path, reason) from None
    except (TypeError, AttributeError, NotImplementedError) as error:
        # A lone array in place of an archive, or an archive packed in a way that Python doesn't know.
        raise _damaged(path, f"it isn't an archive of arrays: {error}") from None
    names = [comparison.name for comparison in ptes.comparisons]
    if [str(name) for name in arrays["comparisons"].ravel()] != names:
        raise _damaged(path, f"its comparisons aren't those of {PTES}")
    if [str(name) for name in arrays["spectra"].ravel()] != list(ptes.spectra):
        raise _damaged(path, f"its spectra aren't those of {PTES}")
    sizes = {
        "comparisons": len(names),
        "spectra": len(ptes.spectra),
        "bins": len(ptes.multipoles),
        "edges": len(ptes.edges),
        "simulations": ptes.simulations,
    }
    for name, axes in _SHAPES.items():
        shape = tuple(sizes[axis] for axis in axes)
        if arrays[name].shape != shape and names:
            raise _damaged(path, f"`{name}` has shape {arrays[name].shape}, not {shape}")
        if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
            raise _damaged(path, f"`{name}` holds what is no finite number")
    if names and not (np.ptp(arrays["simulated"], axis=1) > 0).all():
        raise _damaged(path, "its simulations are all the same in one bin")
    return arrays


def _damaged(path: Path, reason: str) -> DiagnosticError:
    return DiagnosticError.of("damaged-file", f"The file of spectra {path} is damaged: {reason}", hint=REMEDY)
