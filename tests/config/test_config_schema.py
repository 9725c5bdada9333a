"""The JSON schema takes what the language takes, and refuses what an editor can see is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli

from socm.config.problems import known_keys
from socm.config.schema import campaign_schema, children_of
from socm.core.models import Resources
from socm.workflows import registered_workflows

jsonschema = pytest.importorskip("jsonschema", reason="comes with snakemake")

HERE = Path(__file__).parent
CAMPAIGNS = sorted((HERE / "workspaces").glob("*/campaign.toml"))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = campaign_schema(registered_workflows)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("file", CAMPAIGNS, ids=lambda file: file.parent.name)
def test_good_campaigns_fit(file: Path, validator: Any) -> None:
    errors = validator.iter_errors(tomli.loads(file.read_text(encoding="utf-8")))
    assert [(list(error.path), error.message) for error in errors] == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[campaign]\nseed = "x"\n', ["campaign", "seed"]),
        ("[campaign]\nmin_coverage = 2\n", ["campaign", "min_coverage"]),
        ("[campaign]\nmin-coverage = 2\n", ["campaign", "min-coverage"]),
        ("[campaign.ml-mapmaking]\ncontext = 3\n", ["campaign", "ml-mapmaking", "context"]),
        ("[campaign.ml-mapmaking.resources]\nmemroy = 3\n", ["campaign", "ml-mapmaking", "resources"]),
        ("[campaign.ml-mapmaking.options]\nquiet = 3\n", ["campaign", "ml-mapmaking", "options", "quiet"]),
        (
            '[campaign.deep]\nworkflow = "ml-mapmaking"\ntiled = 5\n',
            ["campaign", "deep", "tiled"],
        ),
        ('[campaign.deep]\nworkflow = "maps"\n', ["campaign", "deep", "workflow"]),
        ("[campaigns]\n", []),
        (
            '[campaign.ml-null-tests.mission-tests]\nnsplits = "x"\n',
            ["campaign", "ml-null-tests", "mission-tests", "nsplits"],
        ),
        ("[campaign.ml-mapmaking.matrix]\nbands = 3\n", ["campaign", "ml-mapmaking", "matrix", "bands"]),
    ],
)
def test_mistakes_that_an_editor_can_see(text: str, path: list[str], validator: Any) -> None:
    places = [list(error.path) for error in validator.iter_errors(tomli.loads(text))]
    assert path in places


def test_everything_has_a_description() -> None:
    schema = campaign_schema(registered_workflows)
    undescribed = [
        f"{name}.{key}"
        for name, definition in schema["definitions"].items()
        for key, value in definition.get("properties", {}).items()
        if "$ref" not in value and "description" not in value and key != "workflow"
    ]
    assert undescribed == []


def test_defaults_and_examples_are_as_one_would_write_them() -> None:
    resources = campaign_schema(registered_workflows)["definitions"]["Resources"]["properties"]
    assert set(resources) == set(known_keys(Resources))
    assert resources["runtime"]["default"] == "1h"
    assert "1h30m" in resources["runtime"]["examples"]
    assert resources["ranks"]["default"] == 1


def test_every_table_that_a_kind_names_is_in_it() -> None:
    schema = campaign_schema(registered_workflows)
    for kind in registered_workflows.values():
        properties = schema["definitions"][kind.__name__]["properties"]
        assert set(children_of(kind)) <= set(properties)
