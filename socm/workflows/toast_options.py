"""Options of toast_so_sim, and which of them have keys of their own in a campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

OPTIONS_WITH_KEYS: Mapping[str, str] = {
    "out_dir": "output_dir",
    "schedule": "schedule",
    "bands": "bands",
    "telescope": "telescope",
    "wafer_slots": "wafer_slots",
    "tube_slots": "tube_slots",
    "sample_rate": "sample_rate",
    "thinfp": "thinning",
    "realization": "realisation",
    "job_group_size": "resources.ranks",
    "sim_noise.enable": "sim_noise",
    "sim_noise.disable": "sim_noise",
    "scan_map.enable": "scan_map",
    "scan_map.disable": "scan_map",
    "scan_map.file": "scan_map",
    "sim_atmosphere.enable": "sim_atmosphere",
    "sim_atmosphere.disable": "sim_atmosphere",
    "sim_sss.enable": "sim_sss",
    "sim_sss.disable": "sim_sss",
    "sim_hwpss.enable": "sim_hwpss",
    "sim_hwpss.disable": "sim_hwpss",
    "sim_hwpss.atmo_data": "sim_hwpss_atmo_data",
    "pixels_healpix_radec.enable": "pixels_healpix_radec_nside",
    "pixels_healpix_radec.nside": "pixels_healpix_radec_nside",
    "filterbin.enable": "filterbin_name",
    "filterbin.name": "filterbin_name",
    "processing_mask.enable": "processing_mask_file",
    "processing_mask.file": "processing_mask_file",
    "save_hdf5.enable": "save_tods",
    "save_hdf5.disable": "save_tods",
}
"""Options that have a key of their own in the campaign file."""


class _Options(Mapping[str, bool]):
    """Options of toast_so_sim (sotodlib 0.6.24), read when first looked at: there are 1,841."""

    @staticmethod
    @cache
    def _read() -> dict[str, bool]:
        text = resources.files("socm.workflows").joinpath("toast_so_sim_options.txt").read_text("utf-8")
        return {line.rstrip("="): line.endswith("=") for line in text.split()}

    def __getitem__(self, name: str) -> bool:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


TOAST_SO_SIM_OPTIONS: Mapping[str, bool] = _Options()
"""Options of toast_so_sim and whether each takes a value."""
