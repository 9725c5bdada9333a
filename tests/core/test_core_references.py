"""References between workflows: how they are written, renamed, escaped and resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.core.fields import CampaignPath, CommaText, OptionValue
from socm.core.models import Environment, Workflow
from socm.core.references import _REFERENCE, Reference, references_in, rename_references, substitute
from socm.core.resolving import awaited_paths, resolve_references
from socm.diagnostics import DiagnosticError

PIECES = st.lists(st.sampled_from(["$", "$$", "{", "}", "${a.b}", "${a}", "a.b", "${a.b.c}", "ü", "\n", " "]))


class Maps(Workflow):
    """Makes maps."""

    kind: ClassVar[str] = "maps"
    context: CampaignPath = "c.yaml"
    output_dir: CampaignPath = "out"
    bands: CommaText | None = None
    words: tuple[str, ...] = ()
    options: Mapping[str, OptionValue] = {}


def outputs(workflow: Workflow) -> Mapping[str, Sequence[str]]:
    assert isinstance(workflow, Maps)
    return {"map": ("/".join(filter(None, (workflow.output_dir, workflow.variant_folder, "m.fits"))),)}


def variants(*bands: str) -> list[Maps]:
    return [Maps(name="maps", belongs_to=("lat",), bands=b, variant=(("bands", b),)) for b in bands]


def test_references_are_found() -> None:
    text = "${a.b}/x ${a-1.b_2}${lat.maps.map} $${no.no} $a ${HOME} ${.x} ${a.}"
    assert references_in(text) == (
        Reference("a", "b"),
        Reference("a-1", "b_2"),
        Reference("lat.maps", "map"),
    )


@given(PIECES.map("".join))
def test_an_escaped_text_means_itself(text: str) -> None:
    escaped = _REFERENCE.sub(lambda match: "$" + match[0], text)
    assert references_in(escaped) == ()
    assert substitute(escaped, lambda _: "never asked for") == text


@given(PIECES.map("".join))
def test_renaming_to_the_same_changes_nothing(text: str) -> None:
    assert rename_references(text, lambda reference: reference) == text


@given(PIECES.map("".join))
def test_every_reference_is_replaced(text: str) -> None:
    asked = []
    replaced = substitute(text, lambda reference: asked.append(reference) or "V")  # type: ignore[func-returns-value]
    assert set(asked) == set(references_in(text))
    assert isinstance(replaced, str)


def test_lists_go_in_step() -> None:
    values = {Reference("a", "b"): ("1", "2"), Reference("a", "c"): ("x", "y"), Reference("a", "d"): "z"}
    assert substitute("${a.b}${a.c}${a.d}", values.__getitem__) == ("1xz", "2yz")


def test_lists_of_different_lengths_do_not() -> None:
    values = {Reference("a", "b"): ("1", "2"), Reference("a", "c"): ("x", "y", "z")}
    with pytest.raises(ValueError, match="different lengths"):
        substitute("${a.b}${a.c}", values.__getitem__)


def test_the_variant_of_the_same_values_is_meant() -> None:
    reader = Maps(
        name="reader",
        variant=(("bands", "f150"), ("wafer", "ws0")),
        context="${maps.map}",
        output_dir="${maps.output_dir}/../x",
        words=("--in=${maps.map}",),
    )
    found = resolve_references(reader, [*variants("f090", "f150"), reader], outputs)
    assert isinstance(found, Maps)
    assert (found.context, found.output_dir) == ("out/f150/m.fits", "out/x")
    assert found.words == ("--in=out/f150/m.fits",)


def test_without_a_matrix_it_is_the_list_of_all() -> None:
    reader = Maps(name="reader", words=("a", "--in=${maps.map}", "${lat.bands}"), bands="${maps.bands}")
    found = resolve_references(reader, variants("f090", "f150"), outputs)
    assert isinstance(found, Maps)
    assert found.words == ("a", "--in=out/f090/m.fits", "--in=out/f150/m.fits", "f090", "f150")
    assert found.bands == "f090,f150"


def test_options_and_variables_hold_references_too() -> None:
    reader = Maps(
        name="reader",
        options={"inject": "${maps.map}", "tods": ["${maps.map}"]},
        environment=Environment.model_validate({"MAP": "${maps.map}", "TEXT": "$${maps.map}"}),
    )
    found = resolve_references(reader, variants("f090"), outputs)
    assert isinstance(found, Maps)
    assert found.options == {"inject": "out/f090/m.fits", "tods": ("out/f090/m.fits",)}
    assert found.environment.all_variables() == {"MAP": "out/f090/m.fits", "TEXT": "${maps.map}"}


def test_a_value_that_is_a_reference_itself_is_followed() -> None:
    middle = Maps(name="middle", context="${maps.context}")
    reader = Maps(name="reader", context="${middle.context}")
    found = resolve_references(reader, [*variants("f090"), middle, reader], outputs)
    assert isinstance(found, Maps)
    assert found.context == "c.yaml"


def test_a_reader_awaits_what_it_refers_to_wherever_it_says_so() -> None:
    both = variants("f090", "f150")

    def awaited(**fields: Any) -> tuple[str, ...]:
        return awaited_paths(
            Maps(name="r", **fields), both, outputs, lambda one: [f"{one.variant_folder}/done"]
        )

    assert awaited(options={"inject": ["${maps.map}"]}) == ("out/f090/m.fits", "out/f150/m.fits")
    assert awaited(words=("${maps.bands}",)) == ("f090/done", "f150/done")
    assert awaited(context="$${maps.map}") == ()
    assert awaited(variant=(("bands", "f150"),), context="${maps.context}") == ("f150/done",)


@pytest.mark.parametrize(
    ("reader", "code", "key"),
    [
        (Maps(name="reader", context="${maps.map}"), "reference-is-list", ("context",)),
        (Maps(name="reader", words=("${maps.mop}",)), "unknown-reference", ("words", 0)),
        (Maps(name="reader", context="${nowhere.map}"), "unknown-reference", ("context",)),
        (
            Maps(name="reader", variant=(("bands", "f220"),), context="${maps.map}"),
            "unknown-reference",
            ("context",),
        ),
        (
            Maps(name="reader", environment=Environment.model_validate({"A": "${maps.map}"})),
            "reference-is-list",
            ("environment",),
        ),
    ],
)
def test_what_can_not_be_resolved(reader: Maps, code: str, key: tuple[str | int, ...]) -> None:
    with pytest.raises(DiagnosticError) as error:
        resolve_references(reader, variants("f090", "f150"), outputs)
    assert [(d.code, d.key) for d in error.value.diagnostics] == [(code, key)]
