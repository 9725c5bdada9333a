"""One null test, start to end: its maps in, its half differences, spectra and PTEs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np

from socm.diagnostics import Collector
from socm.formats.document import format_document, replace_file, write_document
from socm.formats.file_record import FileRecord, file_changes, record_file
from socm.formats.null_products import (
    PTES,
    SPECTRA,
    SUMMARY,
    SplitSummary,
    Summary,
    Support,
    format_spectra,
)
from socm.formats.null_spec import NullSpecification, Split
from socm.nulls.diagnosis.diagnose import diagnose_test
from socm.nulls.half_differences import write_half_differences
from socm.nulls.inputs import assess_coverage, read_test
from socm.nulls.judging.analysis import analyse
from socm.nulls.judging.differences import list_comparisons
from socm.nulls.memory import check_memory
from socm.nulls.pixels.maps import read_total_hits
from socm.nulls.pixels.opened import OpenTest, open_test
from socm.nulls.pixels.sources import SplitMap, open_files
from socm.nulls.products import describe_result, finite_or_none, spectra_arrays
from socm.nulls.progress import silent


def run_test(
    specification: Path, output_dir: Path, threads: int = 1, progress: Callable[[str], None] = silent
) -> Summary:
    """Write everything a null test makes into `output_dir` and return its summary.

    Writes d_<comparison>_<i>.fits and .png for each half difference, d_<comparison>.png of their mean,
    spectra.npz, pte.json, and summary.json last, which holds the digests of all that was read. `progress` is
    called with what is done next. Raises DiagnosticError if the specification or a map can't be used, or
    changes meanwhile, and where there is too little memory.
    """
    test = read_test(specification)
    check_memory(test, open_files(test.splits)[0])
    paths = (specification, *test.files)
    started = [path.stat() for path in paths]
    # Digests take as long as the disk needs, and arithmetic goes on meanwhile.
    with ThreadPoolExecutor(1) as beside:
        read = beside.submit(lambda: tuple(map(record_file, paths, started)))
        progress(f"Reading weights: {len(test.splits)} maps")
        opened = open_test(test, threads)
        comparisons = list_comparisons(test)
        result = analyse(
            opened, comparisons, len(test.groups), test.analysis, test.test, test.seed, threads, progress
        )
        result = diagnose_test(opened, comparisons, result, opened.splits, opened.unit, progress)
        members = [(group.name, split) for group in test.groups for split in group.splits]
        splits = tuple(
            _describe_split(split, test, group, one)
            for (group, split), one in zip(members, opened.maps, strict=True)
        )
        ptes = describe_result(test, result, [split.name for split in splits if split.uncovered])
        contents = {PTES: format_document(ptes), SPECTRA: format_spectra(spectra_arrays(result), ptes)}
        output_dir.mkdir(parents=True, exist_ok=True)
        # Cut off from here on, what an earlier judgement left is no longer of one run.
        (output_dir / SUMMARY).unlink(missing_ok=True)
        differences, means = write_half_differences(opened, comparisons, output_dir, progress)
        rests_on = read.result()
    _check_unchanged(rests_on)
    summary = Summary(
        test=test.test,
        variant=test.variant,
        seed=test.seed,
        unit=opened.unit,
        options=test.analysis,
        support=_describe_support(opened),
        splits=splits,
        differences=differences,
        comparisons=means,
        rests_on=rests_on,
        products={name: sha256(content).hexdigest() for name, content in contents.items()},
    ).sealed()
    for name, content in contents.items():
        replace_file(output_dir / name, content)
    write_document(output_dir / SUMMARY, summary)
    return summary


def _check_unchanged(records: Sequence[FileRecord]) -> None:
    """Raise if a file isn't what it was when its digest was made: the result may be of either content."""
    problems = Collector()
    for record in records:
        if record.change_at(Path(record.path)):
            problems.add(file_changes(Path(record.path)))
    problems.raise_if_errors()


def _describe_support(opened: OpenTest) -> Support:
    inside = opened.support
    return Support(
        shape=opened.geometry.shape,
        pixel_arcmin=tuple(60 * size for size in opened.geometry.pixel_deg),
        apodization_deg=opened.apodization_deg,
        pixel_fraction=float(inside.mean()),
        area_deg2=float((inside * opened.geometry.pixel_area_deg2).sum()),
    )


def _describe_split(split: Split, test: NullSpecification, group: str, one: SplitMap) -> SplitSummary:
    record, uncovered = assess_coverage(split, test.min_coverage)
    balance = {**_weigh(one), **split.means}
    return SplitSummary(
        group=group,
        name=split.name,
        asked=split.asked if record is None else record.asked,
        used=None if record is None else record.used,
        fraction=None if record is None else record.fraction,
        minimum=test.min_coverage,
        skipped=() if record is None else record.skipped,
        uncovered=uncovered,
        hits=None if split.hits is None else read_total_hits(split.hits),
        balance={name: finite_or_none(value) for name, value in balance.items()},
    )


def _weigh(one: SplitMap) -> dict[str, float]:
    """Return the total weight of a map, and the middle of its weight on the sky."""
    weight = one.inverse_variance(0)
    weight = np.where(np.isfinite(weight), weight, 0.0)
    right_ascension, declination = one.geometry.mean_position_deg(weight)
    total = (weight * one.geometry.pixel_area_deg2).sum()
    return {"weight": float(total), "ra_deg": right_ascension, "dec_deg": declination}
