"""Maps in every unit, pixelisation and kind of weight are judged alike; bad ones are errors that name them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sky_maps import NOISE_UK, car_geometry, noise, write_car, write_columns

from socm.diagnostics import Collector, DiagnosticError
from socm.formats.null_spec import Split
from socm.nulls import judge
from socm.nulls.pixels.healpix import HealpixGeometry, narrowest_arc_deg
from socm.nulls.pixels.maps import read_header
from socm.nulls.pixels.sources import open_files
from socm.nulls.pixels.units import SCALES, Unit, parse_unit
from socm.nulls.pixels.weight_matrix import marginal_weight

ANALYSIS: dict[str, Any] = {"bin_edges": (200.0, 400.0, 600.0, 800.0), "simulations": 60}
NSIDE = 64


def split(name: str, **keys: Any) -> Split:
    return Split(name=name, **{"map": Path(f"{name}.fits"), "ivar": Path(f"{name}_ivar.fits"), **keys})


def codes(error: DiagnosticError) -> list[str]:
    return [one.code for one in error.diagnostics]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("power", [1, -1, 2, -2])
@pytest.mark.parametrize(
    "spelling", ["{}{}", "{}^{}", "{}**{}", "({})^{}", "{}^({})", " {} ^ {} ", "{}_CMB^{}"]
)
def test_units_are_read_in_every_common_spelling(name: str, power: int, spelling: str) -> None:
    assert parse_unit(spelling.format(name, power)) == Unit(name, power)
    assert parse_unit(f"1/{name}^2") == Unit(name, -2)
    assert parse_unit(str(Unit(name, power))) == Unit(name, power)


@given(st.text(max_size=8))
def test_no_other_text_is_a_unit(text: str) -> None:
    unit = parse_unit(text)
    assert unit is None or "K" in text


@pytest.mark.parametrize("text", ["", "K_RJ", "MJy/sr", "hits", "k", "UK", "K^3", "K^0", "uK uK", "K^-12"])
def test_what_is_no_power_of_a_temperature_is_no_unit(text: str) -> None:
    assert parse_unit(text) is None


KINDS: dict[
    str, Callable[[np.ndarray, np.ndarray], tuple[dict[str, Any], np.ndarray, np.ndarray, int, int]]
] = {
    "inverse variance": lambda m, w: ({}, m, w, 1, -2),
    "one inverse variance for all": lambda m, w: ({}, m, w[0], 1, -2),
    "matrix": lambda m, w: ({}, m, np.einsum("ij,iyx->ijyx", np.eye(len(w)), w), 1, -2),
    "variance": lambda m, w: ({"variance": True}, m, 1 / w, 1, 2),
    "weighted map": lambda m, w: ({"weighted": True}, m * w, w, -1, -2),
    "weighted map, matrix": lambda m, w: (
        {"weighted": True},
        m * w,
        np.einsum("ij,iyx->ijyx", np.eye(len(w)), w),
        -1,
        -2,
    ),
    "weighted map, variance": lambda m, w: ({"weighted": True, "variance": True}, m * w, 1 / w, -1, 2),
}


@pytest.mark.parametrize("components", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", SCALES)
def test_every_kind_and_unit_gives_the_same_planes(kind: str, unit: str, components: int) -> None:
    values, ivar = noise(components, car_geometry()[0], 1)
    ivar = np.broadcast_to(ivar[:1], ivar.shape)
    keys, sky, weight, map_power, weight_power = KINDS[kind](values, ivar)
    scale = SCALES["uK"] / SCALES[unit]
    write_car(Path("first.fits"), values)
    write_car(Path("first_ivar.fits"), ivar, "uK^-2")
    write_car(Path("other.fits"), sky * scale**map_power, str(Unit(unit, map_power)))
    write_car(Path("other_ivar.fits"), weight * scale**weight_power, str(Unit(unit, weight_power)))

    maps = open_files([split("first"), split("other", **keys)])

    assert maps[1].unit == "uK"
    for component in range(components):
        np.testing.assert_allclose(maps[1].read(component), values[component], rtol=1e-5)
        np.testing.assert_allclose(maps[1].inverse_variance(component), ivar[component], rtol=1e-5)


def test_a_full_weight_matrix_is_inverted() -> None:
    rng = np.random.default_rng(0)
    shape = car_geometry()[0]
    values = rng.standard_normal((3, *shape))
    root = rng.standard_normal((3, 3, *shape)) + 3 * np.eye(3)[..., None, None]
    matrix = np.einsum("ikyx,jkyx->ijyx", root, root)
    write_car(Path("a.fits"), np.einsum("ijyx,jyx->iyx", matrix, values), "uK^-1")
    write_car(Path("a_ivar.fits"), matrix, "uK^-2")
    (one,) = open_files([split("a", weighted=True)])
    for component in range(3):
        np.testing.assert_allclose(one.read(component), values[component], atol=1e-6)


def test_sotodlibs_coadds_name_the_maps_unit_for_their_weights() -> None:
    values, ivar = noise(3, car_geometry()[0], 1)
    write_car(Path("a.fits"), values * 1e-6, "K")
    write_car(Path("a_ivar.fits"), ivar * 1e12, "K")
    (one,) = open_files([split("a")])
    np.testing.assert_allclose(one.inverse_variance(0), ivar[0] * 1e12, rtol=1e-5)


@pytest.mark.parametrize(("unit", "given_unit"), [(None, None), (None, "K"), ("uK", "K")])
def test_a_unit_is_never_guessed(unit: str | None, given_unit: str | None) -> None:
    values, ivar = noise(1, car_geometry()[0], 1)
    write_car(Path("a.fits"), values, unit)
    write_car(Path("a_ivar.fits"), ivar, unit and f"{unit}^-2")
    if unit is None and given_unit is None:
        with pytest.raises(DiagnosticError) as caught:
            open_files([split("a")])
        assert codes(caught.value) == ["missing-unit", "missing-unit"]
        assert [one.key for one in caught.value.diagnostics] == [(0, "map"), (0, "ivar")]
    else:
        (one,) = open_files([split("a", unit=given_unit)])
        assert one.unit == (unit or given_unit)
        np.testing.assert_allclose(one.read(0), values[0], rtol=1e-6)


def healpix_planes(
    components: int, seed: int, order: str = "RING"
) -> tuple[np.ndarray, np.ndarray, HealpixGeometry]:
    """Return a map and an inverse variance that cover a cap of the sky, zero elsewhere."""
    geometry = HealpixGeometry(NSIDE, "RING" if order == "RING" else "NESTED")
    _, declination = geometry.positions_deg(np.arange(geometry.shape[0]))
    values, ivar = noise(components, geometry.shape, seed)
    inside = declination > 60
    return values * inside, ivar * inside, geometry


@pytest.mark.parametrize("order", ["RING", "NESTED"])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("suffix", ["fits", "fits.gz"])
@pytest.mark.parametrize("components", [1, 2, 3])
def test_healpix_files_of_healpy_are_read(order: str, partial: bool, suffix: str, components: int) -> None:
    import healpy

    values, ivar, geometry = healpix_planes(components, 1, order)
    for name, planes, unit in ((f"a.{suffix}", values, "uK_CMB"), (f"a_ivar.{suffix}", ivar, "1/uK^2")):
        shown = np.where(ivar > 0, planes, healpy.UNSEEN) if partial else planes
        names = [f"P{number}" for number in range(components)]
        healpy.write_map(
            name, shown, nest=order == "NESTED", partial=partial, column_units=unit, column_names=names,
            dtype=np.float64, overwrite=True,
        )  # fmt: skip
    (one,) = open_files([split("a", map=Path(f"a.{suffix}"), ivar=Path(f"a_ivar.{suffix}"))])
    assert one.geometry == geometry
    for component in range(components):
        inside = ivar[component] > 0
        np.testing.assert_allclose(one.read(component)[inside], values[component][inside], rtol=1e-6)
        weight = np.nan_to_num(one.inverse_variance(component))
        np.testing.assert_allclose(weight, ivar[component], rtol=1e-6)


@pytest.mark.parametrize("order", ["RING", "NESTED"])
def test_healpix_maps_that_are_written_are_read_back(order: str) -> None:
    values, ivar, geometry = healpix_planes(3, 1, order)
    write_columns(Path("a.fits"), list(values), geometry, "uK")
    write_columns(Path("a_ivar.fits"), list(ivar), geometry, "uK^-2")
    (one,) = open_files([split("a")])
    np.testing.assert_allclose(np.nan_to_num(one.read(2)), values[2], rtol=1e-6)


def write_healpix(
    name: str, order: str = "RING", nside: int = NSIDE, unit: str = "uK", power: int = 1
) -> None:
    geometry = HealpixGeometry(nside, "RING" if order == "RING" else "NESTED")
    values, ivar = noise(1, geometry.shape, 1)
    write_columns(Path(name), [values[0] if power == 1 else ivar[0]], geometry, str(Unit("uK", power)))


def write_good(name: str = "a", components: int = 1) -> None:
    values, ivar = noise(components, car_geometry()[0], 1)
    write_car(Path(f"{name}.fits"), values)
    write_car(Path(f"{name}_ivar.fits"), ivar, "uK^-2")


def healpix_pair(name: str, order: str = "RING", nside: int = NSIDE) -> None:
    write_healpix(f"{name}.fits", order, nside)
    write_healpix(f"{name}_ivar.fits", order, nside, power=-2)


BAD: dict[str, tuple[Callable[[], None], str, list[str]]] = {
    "other pixels": (
        lambda: write_car(Path("b.fits"), np.ones((1, 40, 40)), wcs=car_geometry(5)[1]),
        "different-geometry",
        ["b.fits", "a.fits", "pixels"],
    ),
    "other place": (
        lambda: write_car(Path("b.fits"), np.ones((1, 80, 80)), wcs=car_geometry(10.5)[1]),
        "different-geometry",
        ["b.fits", "a.fits", "crpix"],
    ),
    "HEALPix beside CAR": (lambda: healpix_pair("b"), "different-geometry", ["b.fits", "HEALPix", "a.fits"]),
    "other planes": (
        lambda: write_good("b", 3),
        "different-geometry",
        ["b.fits holds TQU instead of T as in a.fits"],
    ),
    "four planes": (
        lambda: write_car(Path("b.fits"), np.ones((4, 80, 80))),
        "bad-map-shape",
        ["b.fits", "4 × 80"],
    ),
    "weight of two planes": (
        lambda: write_car(Path("b_ivar.fits"), np.ones((2, 80, 80)), "uK^-2"),
        "bad-map-shape",
        ["b_ivar.fits", "2 × 80"],
    ),
    "unit of a variance": (
        lambda: write_car(Path("b_ivar.fits"), np.ones((1, 80, 80)), "uK^2"),
        "weight-is-variance",
        ["b_ivar.fits holds variances: it is in uK^2"],
    ),
    "unit of no map": (
        lambda: write_car(Path("b.fits"), np.ones((1, 80, 80)), "MJy/sr"),
        "unknown-unit",
        ["b.fits"],
    ),
    "brightness": (
        lambda: write_car(Path("b.fits"), np.ones((1, 80, 80)), "K_RJ"),
        "unknown-unit",
        ["b.fits"],
    ),
    "weighted map as a map": (
        lambda: write_car(Path("b.fits"), np.ones((1, 80, 80)), "uK^-1"),
        "unknown-unit",
        ["b.fits", "uK^-1", "a map is in uK"],
    ),
    "other sign of U": (
        lambda: [
            write_car(Path("a.fits"), np.ones((1, 80, 80)), POLCCONV="IAU"),
            write_car(Path("b.fits"), np.ones((1, 80, 80)), POLCCONV="COSMO"),
        ],
        "different-geometry",
        ["b.fits", "COSMO", "a.fits", "IAU"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_one_error_that_names_them(case: str) -> None:
    write_good("a")
    write_good("b")
    prepare, code, named = BAD[case]
    prepare()
    with pytest.raises(DiagnosticError) as caught:
        open_files([split("a"), split("b")])
    found = [one for one in caught.value.diagnostics if one.code == code]
    assert found, codes(caught.value)
    assert all(word in found[0].message for word in named), found[0].message


@pytest.mark.parametrize(
    ("nside", "order", "named"),
    [(32, "RING", "nside 32 instead of 64"), (64, "NESTED", "order NESTED instead of RING")],
)
def test_healpix_of_other_nside_or_order_is_an_error(nside: int, order: str, named: str) -> None:
    healpix_pair("a")
    healpix_pair("b", order, nside)
    with pytest.raises(DiagnosticError) as caught:
        open_files([split("a"), split("b")])
    assert codes(caught.value) == ["different-geometry"] * 2
    assert f"b.fits has {named} as in a.fits" in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ORDERING": "SPIRAL"}, "ORDERING"),
        ({"ORDERING": None}, "ORDERING"),
        ({"NSIDE": 63}, "power of two"),
        ({"NSIDE": 32}, "pixels that a map of nside 32 has not"),
        ({"PIXTYPE": "HPX"}, "PIXTYPE"),
        ({"TUNIT2": "K"}, None),
    ],
)
def test_headers_of_healpix_are_not_trusted(change: dict[str, Any], said: str | None) -> None:
    from astropy.io import fits

    healpix_pair("a")
    with fits.open("a.fits", mode="update") as hdus:
        for key, value in change.items():
            if value is None:
                del hdus[1].header[key]
            else:
                hdus[1].header[key] = value
    if said is None:
        assert read_header(Path("a.fits")).unit == "K"
        return
    with pytest.raises(DiagnosticError) as caught:
        read_header(Path("a.fits"))
    assert codes(caught.value) == ["unreadable-map"]
    assert said in caught.value.diagnostics[0].message


@pytest.mark.parametrize("pixelization", ["car", "healpix"])
@pytest.mark.parametrize("packed", [False, True])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_an_error_or_whole(
    pixelization: str, packed: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"{pixelization}.fits"
    if not path.exists():
        geometry = HealpixGeometry(4, "RING")
        if pixelization == "healpix":
            write_columns(path, [np.arange(1.0, 193.0)], geometry, "uK")
        else:
            write_car(path, np.ones((1, 8, 8)), wcs=car_geometry(1.0)[1])
    whole = path.read_bytes()
    content = gzip.compress(whole, mtime=0) if packed else whole
    change = data.draw(st.sampled_from(["cut", "garbage", "noise"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if change == "cut":
        content = content[:place]
    elif change == "garbage":
        content = content[:place] + data.draw(st.binary(min_size=1, max_size=80)) + content[place + 80 :]
    else:
        content = data.draw(st.binary(max_size=200))
    damaged = folder / ("damaged.fits.gz" if packed else "damaged.fits")
    damaged.write_bytes(content)
    problems = Collector()
    with problems.at():
        header = read_header(damaged)
        for number in range(int(np.prod(header.planes))):
            assert header.read(number).shape == header.geometry.shape
    assert all("damaged.fits" in one.message for one in problems.diagnostics)


def test_a_packed_file_that_astropy_reads_without_an_end_is_an_error() -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_header(Path(__file__).with_name("endless.fits.gz"))
    assert codes(caught.value) == ["unreadable-map"]


@given(st.lists(st.floats(0, 359.99), min_size=1, max_size=20), st.floats(0, 360))
def test_the_narrowest_arc_holds_all_and_turns_with_them(positions: list[float], turn: float) -> None:
    first, width = narrowest_arc_deg(np.array(positions))
    assert all((position - first + 1e-9) % 360 <= width + 2e-9 for position in positions)
    _, turned = narrowest_arc_deg(np.array(positions) + turn)
    assert turned == pytest.approx(width, abs=1e-6)


def arrays(components: int = 3, scale: float = 1.0) -> dict[str, list[dict[str, Any]]]:
    from pixell import enmap

    wcs = car_geometry()[1]
    groups: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    for number in range(4):
        values, ivar = noise(components, car_geometry()[0], number)
        groups["ab"[number // 2]].append({"map": enmap.ndmap(values * scale, wcs), "ivar": ivar / scale**2})
    return groups


def judged(groups: dict[str, list[dict[str, Any]]], **keys: Any) -> Any:
    return judge(groups, **{"analysis": ANALYSIS, "unit": "uK", "wcs": car_geometry()[1], **keys})


@pytest.mark.parametrize(
    ("components", "spectra"),
    [(1, ("TT",)), (2, ("EE", "BB", "EB")), (3, ("TT", "EE", "BB", "TE", "EB", "TB"))],
)
def test_maps_of_t_of_qu_and_of_all_are_judged(components: int, spectra: tuple[str, ...]) -> None:
    result = judged(arrays(components))
    assert result.spectra == spectra
    (comparison,) = result.comparisons
    white = NOISE_UK**2 * np.radians(10 / 80) ** 2 / 2
    np.testing.assert_allclose(comparison.noise[0], white, rtol=0.3)
    assert all(0 < one.pte <= 1 and one.flag in ("", "orange", "red") for one in comparison.judgements)


def test_polarisation_is_judged_alike_with_and_without_temperature() -> None:
    whole = arrays(3)
    alone = {
        group: [{key: value[1:] for key, value in one.items()} for one in members]
        for group, members in whole.items()
    }
    three, two = judged(whole).comparisons[0], judged(alone).comparisons[0]
    np.testing.assert_allclose(two.power, three.power[[1, 2, 4]], rtol=1e-5, atol=1e-12)


def test_spectra_that_maps_do_not_have_are_an_error() -> None:
    with pytest.raises(DiagnosticError) as caught:
        judged(arrays(1), analysis={**ANALYSIS, "spectra": ("EE",)})
    assert codes(caught.value) == ["no-spectra"]


def test_arrays_and_files_give_the_same_result() -> None:
    groups = arrays(3)
    files: dict[str, list[dict[str, Any]]] = {}
    for group, members in groups.items():
        for number, one in enumerate(members):
            write_car(Path(f"{group}{number}.fits"), np.asarray(one["map"]) / 1e3, "mK")
            write_car(Path(f"{group}{number}_ivar.fits"), one["ivar"] * 1e6, "mK^-2")
            pair = {"map": f"{group}{number}.fits", "ivar": f"{group}{number}_ivar.fits"}
            files.setdefault(group, []).append(pair)
    held, read = judged(groups).comparisons[0], judged(files, unit=None).comparisons[0]
    np.testing.assert_allclose(read.power * 1e6, held.power, rtol=1e-3, atol=1e-8)
    assert [one.pte for one in read.judgements] == pytest.approx(
        [one.pte for one in held.judgements], abs=0.03
    )


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "NaN with weight": (
        lambda one: one["map"].__setitem__((0, 40, 40), np.nan),
        "map-not-finite",
        "b 2, map, plane T",
    ),
    "infinite in U": (
        lambda one: one["map"].__setitem__((2, 40, 40), np.inf),
        "map-not-finite",
        "b 2, map, plane U",
    ),
    "negative weight": (
        lambda one: one["ivar"].__setitem__((1, 0, 0), -1),
        "bad-weights",
        "b 2, ivar, plane QQ",
    ),
    "infinite weight": (
        lambda one: one["ivar"].__setitem__((0, 0, 0), np.inf),
        "bad-weights",
        "b 2, ivar, plane TT",
    ),
    "no weight": (lambda one: one["ivar"].__setitem__(2, 0), "zero-weights", "b 2, ivar, plane UU"),
    "another map's": (
        lambda one: one["map"].__setitem__(1, noise(3, car_geometry()[0], 0)[0][1]),
        "same-map",
        "b 2, map, plane Q is that of a 1, map",
    ),
    "constant": (lambda one: one["map"].__setitem__(0, 3.0), "constant-map", "b 2, map, plane T"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_bad_planes_are_one_error_that_names_them(case: str) -> None:
    groups = arrays()
    change, code, named = CHANGES[case]
    change(groups["b"][1])
    with pytest.raises(DiagnosticError) as caught:
        judged(groups)
    assert codes(caught.value) == [code]
    assert named in caught.value.diagnostics[0].message
    assert caught.value.diagnostics[0].key[:1] == (3,)


def in_single(groups: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        group: [{key: value.astype(np.float32) for key, value in one.items()} for one in members]
        for group, members in groups.items()
    }


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e3], ids=["uK", "K", "nK"])
def test_maps_in_single_precision_are_judged_as_those_in_double(scale: float) -> None:
    """With a sky a thousand times the noise, which single precision knows to 1e-4 of the noise."""
    groups = arrays(scale=scale)
    sky = noise(3, car_geometry()[0], 17)[0]
    for members in groups.values():
        for one in members:
            one["map"] += 1000 * scale * sky
    double, single = (judged(given).comparisons[0] for given in (groups, in_single(groups)))
    np.testing.assert_allclose(single.power, double.power, rtol=1e-3, atol=1e-4 * abs(double.power).max())
    assert [one.pte for one in single.judgements] == pytest.approx(
        [one.pte for one in double.judgements], abs=0.03
    )


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("least", [1e-300, 1e-45, 1e-40, 1e-38])
def test_a_weight_whose_inverse_single_precision_cannot_hold_is_none(least: float, mixed: bool) -> None:
    powers = []
    for value in (least, 0.0):
        groups = in_single(arrays())
        if mixed:
            groups["a"][0] = arrays()["a"][0]
        groups["a"][0]["ivar"][:, 30:34, 20:40] = value
        powers.append(judged(groups).comparisons[0].power)
    assert np.isfinite(powers[0]).all()
    np.testing.assert_array_equal(powers[0], powers[1])


def test_a_nan_without_weight_is_nothing() -> None:
    groups = arrays()
    for members in groups.values():
        for one in members:
            one["ivar"][:, :5] = 0
    groups["a"][0]["map"][:, :5] = np.nan
    groups["a"][1]["ivar"][:, :5] = np.nan
    judged(groups)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6], ids=["uK", "mK", "K"])
@pytest.mark.parametrize("wrong", [["a", "b"], ["b"]])
@pytest.mark.parametrize("named", ["ivar", "variance"])
def test_weights_that_are_the_inverse_are_told_by_the_scatter(
    scale: float, wrong: list[str], named: str
) -> None:
    groups = arrays(scale=scale)
    for group, members in groups.items():
        for one in members:
            ivar = one.pop("ivar")
            is_inverse = (named == "ivar") == (group not in wrong)
            one[named] = ivar if is_inverse else 1 / ivar
    with pytest.raises(DiagnosticError) as caught:
        judged(groups, unit={1.0: "uK", 1e-3: "mK", 1e-6: "K"}[scale])
    assert set(codes(caught.value)) == {"weight-is-variance"}
    said = " ".join(one.message for one in caught.value.diagnostics)
    for group in wrong:
        assert f"{group} 1, {named}" in said
        assert f"{group} 2, {named}" in said
    assert ("a 1" in said) == ("a" in wrong)


@pytest.mark.parametrize("excess", [0.1, 0.3, 3.0, 100.0])
def test_noise_above_or_below_its_weights_is_no_variance(excess: float) -> None:
    groups = arrays()
    for members in groups.values():
        for one in members:
            one["map"] *= excess
    judged(groups)


def test_a_mask_of_other_pixels_is_an_error() -> None:
    write_car(Path("mask.fits"), np.ones((40, 40)), wcs=car_geometry(5)[1])
    with pytest.raises(DiagnosticError) as caught:
        judged(arrays(), mask="mask.fits")
    assert codes(caught.value) == ["different-geometry"]
    assert "The mask mask.fits has" in caught.value.diagnostics[0].message


def test_a_mask_leaves_out_what_it_covers() -> None:
    groups = arrays(1)
    groups["a"][0]["map"][:, :40] += 1e4
    mask = np.ones(car_geometry()[0])
    mask[:42] = 0
    wide = {"bin_edges": (200.0, 500.0, 800.0), "simulations": 60}
    assert judged(groups, mask=mask, analysis=wide).comparisons[0].judgements[0].pte > 0.005


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"a": []},
        {"a": [{}]},
        {"a": [{"map": np.ones((1, 8, 8))}, {"map": np.ones((1, 8, 8))}]},
        {"a": [{"map": np.ones((1, 8, 8)), "ivar": np.ones((1, 8, 8)), "wmap": 1}] * 2},
        {"a": [{"map": np.ones((1, 8, 8)), "ivar": np.ones((1, 8, 8))}] * 3},
        {"a": [{"map": np.ones((1, 8, 8)), "ivar": np.ones((1, 8, 8))}] * 2},
    ],
)
def test_arguments_that_are_no_test_are_value_errors(groups: Any) -> None:
    with pytest.raises(ValueError, match=r"groups need|it needs|no HEALPix map"):
        judge(groups, unit="uK")


def weights_of_scans(rng: np.random.Generator, size: int, pixels: int) -> np.ndarray:
    """Return positive semidefinite weights (pixels, size, size), many of them singular or nearly so."""
    looks = rng.standard_normal((pixels, 4, size)) * rng.choice([0, 1e-6, 1, 1], (pixels, 4, 1))
    looks *= rng.choice([0, 1, 1, 1, 1], (pixels, 1, size))
    return np.einsum("pka,pkb->pab", looks, looks) * 10 ** rng.uniform(-8, 20, (pixels, 1, 1))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]))
def test_the_weight_of_a_component_is_what_the_others_leave_it(seed: int, size: int) -> None:
    matrix = weights_of_scans(np.random.default_rng(seed), size, 50)
    for component in range(size):
        found = marginal_weight(lambda a, b: matrix[:, a, b], component, size)
        given_weight = matrix[:, component, component]
        assert ((found >= 0) & (found <= given_weight)).all()
        assert (found[given_weight == 0] == 0).all()
        measured = np.einsum("paa->pa", matrix) > 0
        for one, weight, holds in zip(matrix, found, measured, strict=True):
            if not holds[component]:
                continue
            row = np.count_nonzero(holds[:component])
            part = one[np.ix_(holds, holds)]
            scale = 1 / np.sqrt(np.diagonal(part))
            unit = part * np.outer(scale, scale)
            least = np.linalg.eigvalsh(unit)[0]
            if least > 1e-3:
                expected = one[component, component] / np.linalg.inv(unit)[row, row]
                np.testing.assert_allclose(weight, expected, rtol=1e-6)
            elif least < 1e-9:
                assert weight == 0


@pytest.mark.parametrize("kind", ["all zero", "one angle", "negative", "not a number", "infinite"])
def test_a_weight_matrix_that_cannot_be_inverted_gives_no_weight_or_shows_what_it_is(kind: str) -> None:
    angle = np.array([1.0, 0.6, 0.8])
    matrix = {
        "all zero": np.zeros((3, 3)),
        "one angle": np.outer(angle, angle),
        "negative": np.diag([-1.0, 1, 1]),
        "not a number": np.full((3, 3), np.nan),
        "infinite": np.diag([np.inf, 1, 1]),
    }[kind][None]
    weights = [marginal_weight(lambda a, b: matrix[:, a, b], one, 3)[0] for one in range(3)]
    expected = {"negative": [-1, 1, 1], "infinite": [np.inf, 0, 0], "not a number": [np.nan] * 3}
    np.testing.assert_array_equal(weights, expected.get(kind, [0, 0, 0]))


def test_maps_solved_with_a_matrix_scatter_as_its_inverse_says() -> None:
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 0.5, (4000, 5))
    looks = np.stack([np.ones_like(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=-1)
    matrix = np.einsum("pka,pkb->pab", looks, looks)
    right = np.einsum("pka,pk->pa", looks, rng.standard_normal(angle.shape))
    for component in range(3):
        weight = marginal_weight(lambda a, b: matrix[:, a, b], component, 3)
        used = weight > 0
        values = np.einsum("paj,pj->pa", np.linalg.inv(matrix[used]), right[used])[:, component]
        assert np.mean(values**2 * weight[used]) == pytest.approx(1, abs=0.08)


def test_a_weight_matrix_in_a_file_promises_what_its_inverse_does() -> None:
    shape = car_geometry()[0]
    sky = noise(3, shape, 1)[0]
    matrix = np.array([[4.0, 1, 0.5], [1, 2, 0.8], [0.5, 0.8, 2]])[..., None, None] * np.ones(shape)
    covariance = np.linalg.inv(matrix[..., 0, 0])
    write_car(Path("a.fits"), sky)
    write_car(Path("a_ivar.fits"), matrix, "uK^-2")
    write_car(Path("b.fits"), sky)
    write_car(Path("b_ivar.fits"), covariance[..., None, None] * np.ones(shape), "uK^2")
    for one in open_files([split("a"), split("b", variance=True)]):
        for component in range(3):
            expected = np.full(shape, 1 / covariance[component, component])
            np.testing.assert_allclose(one.inverse_variance(component), expected, rtol=1e-6)
