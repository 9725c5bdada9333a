"""`socm splits`: the same splits as tables, JSON and TSV, and a picture."""

from __future__ import annotations

import csv
import io
import json

import pytest

TESTS = ("mission-tests", "direction-tests")


def test_text_json_and_tsv_say_the_same(campaign, socm):
    _, text, _ = socm("splits", "campaign.toml")
    document = json.loads(socm("splits", "campaign.toml", "--format", "json")[1])
    rows = list(
        csv.DictReader(io.StringIO(socm("splits", "campaign.toml", "--format", "tsv")[1]), delimiter="\t")
    )
    assert [test["test"] for test in document["tests"]] == list(TESTS)
    splits = [split for test in document["tests"] for split in test["splits"]]
    assert [split["name"] for split in splits] == [row["name"] for row in rows]
    assert [split["observations"] for split in splits] == [int(row["observations"]) for row in rows]
    assert sum(split["observations"] for split in document["tests"][0]["splits"]) == 24
    assert all(split["name"] in text for split in splits)
    assert {split["hours"] for split in splits} == {float(row["hours"]) for row in rows}
    assert all(split["detector_hours"] > 0 for split in splits), "the columns of the balance were not read"


def test_the_splits_are_those_of_the_compile(campaign, socm):
    document = json.loads(socm("splits", "campaign.toml", "--format", "json")[1])
    socm("compile", "campaign.toml")
    for test in document["tests"]:
        for split in test["splits"]:
            file = campaign / "workflow/splits" / test["test"] / f"{split['name']}.txt"
            assert len(file.read_text().split()) == split["observations"]


def test_nothing_is_written(campaign, socm):
    before = sorted(campaign.rglob("*"))
    socm("splits", "campaign.toml")
    assert sorted(campaign.rglob("*")) == before


def test_one_test_alone(campaign, socm):
    document = json.loads(socm("splits", "campaign.toml", "--test", "direction-tests", "--format", "json")[1])
    assert [test["test"] for test in document["tests"]] == ["direction-tests"]


def test_an_unknown_test_is_told(campaign, socm):
    code, out, err = socm("splits", "campaign.toml", "--test", "direction-test")
    assert (code, out) == (2, "")
    assert "error[unknown-null-test]: the campaign holds no null test `direction-test`" in err
    assert "did you mean `direction-tests`?" in err


def test_a_campaign_without_null_tests_says_so(campaign, socm):
    text = (campaign / "campaign.toml").read_text()
    (campaign / "campaign.toml").write_text(
        text[: text.index("[campaign.ml-null-tests.mission")]
        .replace("ml-null-tests", "ml-mapmaking")
        .replace("nsplits = 2\nchunk_nobs = 1\n", "")
    )
    code, out, err = socm("splits", "campaign.toml")
    assert (code, out) == (0, "")
    assert "campaign.toml holds no null test." in err


def test_the_picture_is_a_picture(campaign, socm):
    pytest.importorskip("matplotlib", reason="the analysis extra is not installed")
    code, out, _ = socm("splits", "campaign.toml", "--plot", "splits.png")
    assert code == 0
    assert "Drew splits.png." in out
    assert (campaign / "splits.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_can_not_be_written_is_told(campaign, socm):
    pytest.importorskip("matplotlib", reason="the analysis extra is not installed")
    code, _, err = socm("splits", "campaign.toml", "--plot", "no/such/folder/splits.png")
    assert code == 2
    assert "error[file-problem]" in err
