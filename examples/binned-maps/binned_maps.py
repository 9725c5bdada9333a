# binned_maps.py
import shlex

from socm.workflows import Mapmaker, MapProducts, null_tests_of, registered_workflows


class BinnedMaps(Mapmaker):
    """Bins time streams into one map, without a model of their noise."""

    executable: str = "python"
    bands: str

    def get_arguments(self, **kwargs):
        wafers = kwargs["wafer"].split(",") if kwargs["wafer"] else []
        words = ["bin_map.py", kwargs["query"], self.area, kwargs["output_dir"], self.context, self.site]
        return shlex.join([*words, self.bands, *wafers])

    def map_inputs(self, request):
        return {**super().map_inputs(request), "program": "bin_map.py"}

    def map_products(self, folder):
        names = {"map": "wmap.fits", "weight": "weights.fits", "coverage": "coverage.json"}
        return MapProducts(**{name: f"{folder}/{file}" for name, file in names.items()}, is_weighted=True)


registered_workflows["binned-maps"] = BinnedMaps
registered_workflows["binned-null-tests"] = null_tests_of(BinnedMaps, "binned-null-tests")
