"""The comparisons of a test, as coefficients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from socm.core.null_tests import GROUP_NAME
from socm.formats.differences import comparison_files
from socm.nulls.half_differences import list_differences
from socm.nulls.judging.differences import Comparison, compare_groups, contrast_splits

many = st.one_of(
    st.builds(
        compare_groups,
        st.integers(2, 6).map(lambda n: [f"g{i}" for i in range(n)]),
        st.sampled_from([1, 2, 4, 8]),
    ),
    st.sampled_from([2, 4, 8, 16]).map(contrast_splits),
)


@given(many)
def test_a_sky_in_all_maps_cancels_in_every_half_difference(comparisons: tuple[Comparison, ...]) -> None:
    for comparison in comparisons:
        np.testing.assert_allclose(comparison.legs.sum(axis=1), 0, atol=1e-14)


@given(many)
def test_a_systematic_of_one_side_is_half_in_every_half_difference(
    comparisons: tuple[Comparison, ...],
) -> None:
    for comparison in comparisons:
        side = comparison.legs.max(axis=0) > 0
        np.testing.assert_allclose(comparison.legs @ side, 0.5, atol=1e-14)


@given(many)
def test_crossed_half_differences_share_no_map(comparisons: tuple[Comparison, ...]) -> None:
    for comparison in comparisons:
        for one, other in comparison.crosses:
            assert not (comparison.legs[one] * comparison.legs[other]).any()


@given(many)
def test_the_half_differences_shown_use_each_map_once(comparisons: tuple[Comparison, ...]) -> None:
    for comparison in comparisons:
        assert (np.count_nonzero(comparison.legs[: comparison.shown], axis=0) == 1).all()


@pytest.mark.parametrize("splits", [2, 4, 8, 16])
def test_contrasts_are_orthogonal(splits: int) -> None:
    means = np.array([c.legs.mean(axis=0) for c in contrast_splits(splits)])
    products = means @ means.T
    np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-14)
    assert len(means) == splits - 1


def test_four_splits_are_named_by_their_numbers() -> None:
    assert [c.name for c in contrast_splits(4)] == ["13-24", "12-34", "14-23"]


def test_a_single_difference_has_no_cross() -> None:
    assert not contrast_splits(2)[0].has_cross
    assert not compare_groups(["a", "b"], 1)[0].has_cross
    assert compare_groups(["a", "b"], 2)[0].has_cross


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.from_regex(GROUP_NAME, fullmatch=True), min_size=1, max_size=6, unique=True),
    st.sampled_from([2, 4, 8, 16]),
)
def test_the_files_that_a_compile_declares_are_those_that_a_job_writes(
    groups: list[str], splits: int
) -> None:
    """By the names that the compile knows, from the comparisons that the job makes."""
    comparisons = contrast_splits(splits) if len(groups) == 1 else compare_groups(groups, splits)
    written = [f"{one.stem}.png" for one in list_differences(comparisons)]
    written += [f"{one.stem}.fits" for one in list_differences(comparisons) if one.number is not None]
    declared = [file for one in comparison_files(groups, splits) for file in one.files]
    assert sorted(written) == sorted(declared)
    assert [one.name for one in comparisons] == [one.name for one in comparison_files(groups, splits)]
