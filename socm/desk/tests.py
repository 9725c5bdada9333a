"""A null test at hand: its splits, and what was found of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from socm.desk.maps import SkyMap
from socm.diagnostics import DiagnosticError, nearest_name
from socm.formats import null_spec
from socm.formats.coverage import CoverageRecord
from socm.formats.document import read_document, read_file
from socm.formats.layout import split_table
from socm.formats.null_products import Rms
from socm.formats.null_spec import NullSpecification
from socm.nulls.judging.labels import read_observations
from socm.nulls.report.records import Products, TestRecord
from socm.nulls.report.verdict import JUDGED
from socm.splits.manifest import read_rows

if TYPE_CHECKING:
    from astropy.table import Table

COMPILE_AGAIN = NullSpecification.remedy


V = TypeVar("V")


class Named(dict[str, V]):
    """Values by name; a KeyError names those that there are."""

    def __missing__(self, name: str) -> V:
        """Raise KeyError with the nearest name, or all of them."""
        nearest = nearest_name(str(name), list(self))
        hint = f"did you mean {nearest!r}?" if nearest else f"there are {', '.join(self) or 'none'}"
        raise KeyError(f"nothing is called {name!r}: {hint}")


@dataclass(frozen=True)
class Split:
    """One map of a null test, and the observations that it was asked to hold."""

    name: str
    group: str
    workspace: Path
    specification: null_spec.Split

    @property
    def asked(self) -> int | None:
        """How many observations the map was asked to hold."""
        return self.specification.asked

    @property
    def means(self) -> Mapping[str, float]:
        """Mean values of the columns that show how balanced the sides are; units stand in their names."""
        return MappingProxyType(self.specification.means)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of its observations, sorted; raises DiagnosticError unreadable-file or damaged-file."""
        path = self._path("observations", self.specification.observations)
        read_file(path, "list of a split's observations", COMPILE_AGAIN)
        try:
            return tuple(sorted(read_observations(path)))
        except ValueError as error:
            raise _damaged(path, error) from None

    @cached_property
    def map(self) -> SkyMap:
        """Its map (T, Q, U)."""
        return SkyMap(self.workspace / self.specification.map)

    @cached_property
    def ivar(self) -> SkyMap:
        """Its inverse variance: one plane, one for each of the map's, or a matrix of them."""
        return SkyMap(self.workspace / self.specification.ivar)

    @cached_property
    def hits(self) -> SkyMap:
        """Its hits: samples in each pixel; raises DiagnosticError missing-product if none are made."""
        return SkyMap(self._path("hits", self.specification.hits))

    @cached_property
    def coverage(self) -> CoverageRecord:
        """How much of what was asked for its map holds; raises DiagnosticError as `read_document` does."""
        return read_document(CoverageRecord, self._path("coverage", self.specification.coverage))

    def _path(self, what: str, path: Path | None) -> Path:
        if path is None:
            raise DiagnosticError.of(
                "missing-product",
                f"{self.name} has no {what}",
                hint="Its mapmaker makes none, or the map is none of the campaign's.",
            )
        return self.workspace / path

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {self.asked} observations)"


@dataclass(frozen=True)
class NullTest:
    """A null test of a campaign; what was judged otherwise than the campaign says now counts as absent."""

    record: TestRecord

    @property
    def name(self) -> str:
        """Its name, and that of its variant if the campaign makes several."""
        return self.record.place.name

    @property
    def folder(self) -> Path:
        """Where its products are."""
        return self.record.place.folder

    @property
    def lacks(self) -> tuple[str, ...]:
        """Each reason why it can't count as passed; empty if there is none."""
        return self.record.lacks

    @cached_property
    def specification(self) -> NullSpecification:
        """What its job was asked for; raises DiagnosticError as `read_document` does."""
        return read_document(NullSpecification, self.record.place.workspace / self._spec)

    @cached_property
    def splits(self) -> Mapping[str, Split]:
        """Its splits by name, group by group."""
        workspace = self.record.place.workspace
        return MappingProxyType(
            Named(
                {
                    split.name: Split(split.name, group.name, workspace, split)
                    for group in self.specification.groups
                    for split in group.splits
                }
            )
        )

    @cached_property
    def observations(self) -> Table:
        """Which observation went where, and why: an astropy table, a row for each observation and group.

        Columns: obs_id, group, split (0: in none), chunk, value (a number where all are), threshold (NaN
        where there is none), reason (of those in no split). Raises DiagnosticError unreadable-file or
        damaged-file.
        """
        from astropy.table import Table

        workflow, *variant = self._spec.parts[2:-1]
        path = self.record.place.workspace / split_table(workflow, "/".join(variant))
        content = read_file(path, "table of splits", COMPILE_AGAIN)
        try:
            _, columns = read_rows(content.decode())
            numbers: dict[str, list[int] | list[float] | list[str]] = {
                "split": [int(text or 0) for text in columns["split"]],
                "value": _numbers_if_all(columns["value"]),
                "threshold": [float(text or "nan") for text in columns["threshold"]],
            }
        except ValueError as error:
            raise _damaged(path, error) from None
        return Table(columns | numbers)

    @cached_property
    def ptes(self) -> Table:
        """The judgement of each spectrum of each comparison: an astropy table.

        Columns: comparison, spectrum, chi_square, bins, pte, pte_chi_square, pte_chi, pte_worst. Raises
        DiagnosticError missing-product with the reasons if there is no judgement of the campaign as it is.
        """
        return table_of(
            ("comparison", *JUDGED),
            [
                (comparison.name, *(getattr(judgement, key) for key in JUDGED))
                for comparison in self._products.ptes.comparisons
                for judgement in comparison.judgements
            ],
        )

    @cached_property
    def spectra(self) -> Mapping[str, Any]:
        """The spectra as arrays, which can't be changed.

        edges (bins + 1,), multipoles, freedom (bins,), comparisons, spectra (names); power, sigma, noise,
        ratio, deviation (comparisons, spectra, bins), powers in the square of `unit`; simulated (comparisons,
        simulations, spectra, bins). Raises DiagnosticError as `ptes` does.
        """
        arrays = dict(self._products.arrays)
        for array in arrays.values():
            array.flags.writeable = False
        return MappingProxyType(arrays)

    @property
    def unit(self) -> str:
        """The unit of its maps and differences; raises DiagnosticError as `ptes` does."""
        return self._products.summary.unit

    @cached_property
    def differences(self) -> Mapping[str, SkyMap]:
        """Its half differences by the stem of their files; raises DiagnosticError as `ptes` does."""
        files = [self.folder / difference.file for difference in self._products.summary.differences]
        return MappingProxyType(Named({file.stem: SkyMap(file) for file in files}))

    @cached_property
    def rms(self) -> Table:
        """Rms of each half difference, and what the inverse variance promises: an astropy table, NaN if none.

        Columns: difference, component, measured, expected, ratio. Raises DiagnosticError as `ptes` does.
        """
        return table_of(
            ("difference", "component", *Rms.model_fields),
            [
                (
                    Path(difference.file).stem,
                    component,
                    *(float("nan") if number is None else number for number in rms.model_dump().values()),
                )
                for difference in self._products.summary.differences
                for component, rms in difference.rms.items()
            ],
        )

    def plot(self, comparison: str | None = None) -> Any:
        """Return a matplotlib figure of the null spectra of a comparison, by default the first.

        Raises DiagnosticError as `ptes` does, and missing-product for a comparison that wasn't judged.
        """
        from socm.nulls.report.figures import draw_comparison

        products = self._products
        names = [judged.name for judged in products.ptes.comparisons]
        if not names or (comparison is not None and comparison not in names):
            which = f"comparison {comparison}" if comparison is not None else "comparison"
            raise DiagnosticError.of(
                "missing-product",
                f"{self.name} has no judged {which}",
                hint=f"Those that were judged: {', '.join(names) or 'none'}.",
            )
        return draw_comparison(self.name, products, names.index(comparison) if comparison else 0)

    @property
    def _spec(self) -> Path:
        spec = self.record.place.spec
        assert spec is not None  # noqa: S101 -- a compiled workspace lists the specifications of all its tests
        return spec

    @property
    def _products(self) -> Products:
        if self.record.products is None:
            raise DiagnosticError.of(
                "missing-product",
                f"{self.folder} holds no judgement of {self.name} as the campaign is now",
                notes=self.lacks,
                hint="`socm status` shows which jobs are left; `socm run CAMPAIGN` runs them.",
            )
        return self.record.products

    def __repr__(self) -> str:
        return f"NullTest({self.name!r})"


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Return an astropy table of rows, or an empty one with these columns."""
    from astropy.table import Table

    return Table(rows=rows or None, names=names)


def _damaged(path: Path, reason: ValueError) -> DiagnosticError:
    return DiagnosticError.of("damaged-file", f"{path} is damaged: {reason}", hint=COMPILE_AGAIN)


def _numbers_if_all(texts: list[str]) -> list[float] | list[str]:
    """Return numbers if every text is one, or nothing (NaN)."""
    try:
        return [float(text or "nan") for text in texts]
    except ValueError:
        return texts
