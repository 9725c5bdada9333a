"""Contexts: merging, tags, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from socm.diagnostics import DiagnosticError
from socm.observations.context import read_context


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def codes_of(path: Path) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        read_context(path)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_obsdb_is_relative_to_the_context(tmp_path: Path) -> None:
    context = read_context(write(tmp_path / "a" / "context.yaml", "obsdb: db/obs.sqlite\n"))
    assert context.obsdb == tmp_path / "a" / "db" / "obs.sqlite"


def test_an_absolute_obsdb_stays(tmp_path: Path) -> None:
    context = read_context(write(tmp_path / "context.yaml", f"obsdb: {tmp_path}/obs.sqlite\n"))
    assert context.obsdb == tmp_path / "obs.sqlite"


def test_tags_are_put_in_again_and_again(tmp_path: Path) -> None:
    text = """
        tags: {root: /data, set: '{root}/v4'}
        obsdb: '{set}/obs.sqlite'
        more: ['{root}', {deep: '{set}'}]
    """
    context = read_context(write(tmp_path / "context.yaml", text))
    assert context.obsdb == Path("/data/v4/obs.sqlite")
    assert context.values["more"] == ["/data", {"deep": "/data/v4"}]


def test_the_site_file_comes_first_and_tags_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = write(
        tmp_path / "site" / "here.yaml", "tags: {root: /site, kept: x}\nobsdb: '{root}/obs.sqlite'\n"
    )
    monkeypatch.setenv("SOTODLIB_SITECONFIG", str(site))
    context = read_context(write(tmp_path / "context.yaml", "tags: {root: /mine}\n"))
    assert context.obsdb == Path("/mine/obs.sqlite")
    assert context.values["tags"] == {"root": "/mine", "kept": "x"}
    assert context.files == (site, tmp_path / "context.yaml")


def test_the_users_file_wins_over_the_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTODLIB_USERCONFIG", str(write(tmp_path / "user.yaml", "obsdb: /user.sqlite\n")))
    write(tmp_path / "site.yaml", "obsdb: /site.sqlite\nmetadata: [{db: a}]\n")
    context = read_context(write(tmp_path / "context.yaml", "metadata: [{db: b}]\n"))
    assert context.obsdb == Path("/user.sqlite")
    assert context.values["metadata"] == [{"db": "a"}, {"db": "b"}]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("obsdb: [unclosed", "context-unreadable"),
        ("- a list", "context-unreadable"),
        ("", "context-unreadable"),
        ("obsfiledb: x\n", "context-without-obsdb"),
        ("obsdb: '{nowhere}/x'\n", "context-tag"),
        ("tags: {a: '{b}', b: '{a}'}\nobsdb: '{a}'\n", "context-tag"),
        ("obsdb: 'x{'\n", "context-tag"),
        ("tags: [a]\nobsdb: x\n", "context-unreadable"),
    ],
)
def test_a_bad_context_is_told(tmp_path: Path, text: str, code: str) -> None:
    assert codes_of(write(tmp_path / "context.yaml", text)) == [code]


def test_a_missing_context_is_told(tmp_path: Path) -> None:
    assert codes_of(tmp_path / "context.yaml") == ["context-not-found"]
    assert codes_of(tmp_path) == ["context-not-found"]


def test_a_mistake_in_yaml_has_its_place(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_context(write(tmp_path / "context.yaml", "obsdb: x\ntags: [\n"))
    place = caught.value.diagnostics[0].place
    assert place is not None
    assert (place.file, place.line) == (str(tmp_path / "context.yaml"), 3)
