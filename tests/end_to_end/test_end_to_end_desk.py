"""A finished campaign from Python: what socm.open gives is what was made; it writes nothing, and names what is broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end_workspace import Workspace
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import socm
from socm import desk, reads
from socm.diagnostics import DiagnosticError

pytestmark = [pytest.mark.mapmaker, pytest.mark.snakemake]
UNJUDGED = {".tests.plot": "error[missing-product]: wafer-tests has no judged comparison"}
"""What raises in a finished campaign one of whose tests has a single half difference."""
CLASSES = (desk.Workspace, desk.NullTest, desk.Split, desk.SkyMap)


def members(one: object) -> list[str]:
    """Return the public names of an object of the desk: whatever is added to its class is touched, too."""
    found = [
        name for kind in type(one).__mro__ for name in (*vars(kind), *getattr(kind, "__annotations__", ()))
    ]
    return sorted({name for name in (*found, *vars(one)) if not name.startswith("_")})


def touch(one: Any, order: list[int], path: str = "") -> Iterator[tuple[str, Exception | None]]:
    """Yield every value below an object of the desk, by its path, and what is raised instead of it."""
    names = members(one)
    for name in sorted(names, key=lambda name: order[names.index(name) % len(order)] if order else 0):
        where = f"{path}.{name}"
        try:
            value = getattr(one, name)
            if callable(value):
                value = value()
        except Exception as error:  # noqa: BLE001 -- which error it is, is what is tested
            yield where, error
            continue
        yield where, None
        inside = value.values() if isinstance(value, Mapping) else [value]
        for item in inside:
            if isinstance(item, CLASSES):
                yield from touch(item, order, where)


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_everything_of_a_finished_campaign_is_at_hand(finished: Workspace) -> None:
    from astropy.io import fits

    opened = socm.open(finished.folder)
    assert opened.campaign == "small"
    assert opened.status.is_done
    assert set(opened.tests) == {"mission-tests", "wafer-tests"}
    said = finished.run("socm", "verdict", check=False).stdout.splitlines()[0]
    assert opened.verdict.sentence == said
    test = opened.tests["mission-tests"]
    ids = {name: set(split.ids) for name, split in test.splits.items()}
    assert ids == {
        name: set(text.split()) for name, text in finished.split_files().items() if "mission" in name
    }
    rows = test.observations
    for name, split in ids.items():
        assert set(rows["obs_id"][rows["split"] == int(name.rpartition("_")[2])]) == split
    made = finished.folder / "results/mission_split_1"
    split = test.splits["mission_split_1"]
    np.testing.assert_array_equal(split.map.data, fits.getdata(made / "pass1_sky_map.fits"))
    assert (split.map.unit, split.ivar.unit, split.ivar.data.ndim) == ("uK", "uK^-2", 4)
    assert split.coverage.asked == split.asked == len(split.ids)
    np.testing.assert_array_equal(opened.maps["mission-tests mission_split_1"].data, split.map.data)
    for array in (split.map.data, test.spectra["power"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    judged = {(row["test"], row["comparison"], row["spectrum"]): row["pte"] for row in opened.ptes}
    assert judged == {
        (one.test, row.comparison, row.spectrum): row.pte for one in opened.verdict.tests for row in one.ptes
    }
    assert len(opened.ptes) == sum(map(len, (one.ptes for one in opened.tests.values()))) > 0
    assert test.spectra["power"].shape[:2] == (len(test.spectra["comparisons"]), len(test.spectra["spectra"]))
    assert set(test.rms["difference"]) == set(test.differences)
    drawn = test.plot(str(test.spectra["comparisons"][-1]))
    assert [axis.get_title() for axis in drawn.axes] == list(test.spectra["spectra"])
    with pytest.raises(DiagnosticError, match="has no judged comparison 1-7") as refused:
        test.plot("1-7")
    assert "12-34" in str(refused.value.diagnostics[0].hint)


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(order=st.permutations(range(12)))
def test_nothing_is_written_whatever_is_asked_in_whichever_order(
    finished: Workspace, order: list[int]
) -> None:
    before = tree(finished.folder)
    touched = dict(touch(socm.open(finished.folder), order))
    assert {path: str(error) for path, error in touched.items() if error} == UNJUDGED
    assert {".status", ".verdict", ".tests.plot", ".tests.splits.map.data", ".maps.data"} <= set(touched)
    assert tree(finished.folder) == before


def errors_of(workspace: Workspace) -> list[Exception]:
    """Return all that is raised of a workspace beside what is raised of a whole one."""
    try:
        found = [error for _, error in touch(socm.open(workspace.folder), []) if error]
    except DiagnosticError as error:
        found = [error]
    return [error for error in found if str(error) not in UNJUDGED.values()]


def kind_of(path: str) -> str:
    """Return the kind of a file: files of one kind differ by numbers, or by the names of splits and rules."""
    if path.startswith(".snakemake/"):
        return "/".join(path.split("/")[:2])
    if path.endswith((".log", ".tsv", ".png")):
        return f"{path.partition('/')[0]}/*{Path(path).suffix}"
    top, _, name = path.replace("mission", "wafer").replace("_ws", "").replace("ws", "").partition("/")
    return re.sub(r"\d+", "#", f"{top}/{name.rpartition('/')[2]}")


def damaged(content: bytes) -> Iterator[bytes | None]:
    """Yield what becomes of a file: gone, cut off, and of another shape."""
    yield None
    yield content[: len(content) // 2]

    yield b"[[1]]\n"


def test_a_file_that_is_broken_is_named_and_no_library_raises(workspace: Workspace) -> None:
    with reads.recording() as recorded:
        assert errors_of(workspace) == []
    names = {str(Path(name)) for found in recorded.states.values() for name in found}
    read = [
        str(Path(name).relative_to(workspace.folder))
        for name in sorted(names)
        if Path(name).is_relative_to(workspace.folder) and Path(name).is_file()
    ]
    kinds = {kind_of(path): path for path in read}
    assert {
        "results/pte.json",
        "results/summary.json",
        "results/spectra.npz",
        "results/pass#_sky_map.fits",
        "results/sky_div.fits",
    } <= set(kinds)
    jobs = socm.open(workspace.folder).jobs
    named = set()
    for kind, path in kinds.items():
        file = workspace.folder / path
        content, status = file.read_bytes(), file.stat()
        for broken in damaged(content):
            file.unlink(missing_ok=True)
            if broken is not None:
                file.write_bytes(broken)
            errors = errors_of(workspace)
            for error in errors:
                assert isinstance(error, DiagnosticError), (path, broken, repr(error))
                assert all(one.hint for one in error.diagnostics), (path, broken, error)
            texts = [
                text
                for error in errors
                for one in error.diagnostics
                for text in (str(one.place), one.message, *one.notes)
            ]
            if any(file.name in text for text in texts):
                named.add((kind, broken is None))
            elif not kind.startswith(".snakemake"):
                # What a job has to make anew for it is called by the job.
                titles = [job.title for job in jobs if path in (*job.makes, *job.inputs)]
                assert not errors or any(f"{title} is " in text for title in titles for text in texts), (
                    path,
                    broken,
                    texts,
                )
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    needed = {
        "results/pte.json",
        "results/summary.json",
        "results/spectra.npz",
        "results/pass#_sky_map.fits",
        "results/sky_div.fits",
        "results/coverage.json",
    }
    assert {(kind, gone) for kind in needed for gone in (True, False)} <= named
    assert errors_of(workspace) == []


def test_the_notebook_runs_on_a_finished_campaign(finished: Workspace, checkout: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(checkout / "examples/desk/look.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if '"../first-light"' in cell.source]
    cell.source = cell.source.replace("../first-light", str(finished.folder))
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert any(socm.open(finished.folder).verdict.sentence in output.get("text", "") for output in outputs)


def test_a_folder_without_a_campaign_is_refused_with_a_hint(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DiagnosticError) as refused:
            socm.open(folder)
        (one,) = refused.value.diagnostics
        assert one.code == "not-compiled"
        assert one.hint
        assert one.hint in "".join(refused.value.__notes__)


def test_what_opens_a_workspace_is_imported_when_it_is_called() -> None:
    code = "import sys, socm; socm.open; print([name for name in sys.modules if 'numpy' in name or 'desk' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
