# bin_map.py
"""Bins the time streams of observations: bin_map.py QUERY AREA FOLDER CONTEXT SITE BAND [WAFERS]."""

import sys
from pathlib import Path

from pixell import enmap
from sotodlib import coords, core

query, area, folder, context_file, site, band, *wafers = sys.argv[1:]
context = core.Context(context_file)
weighted_map = weights = 0
for obs_id in Path(query).read_text().split():
    there = context.obsdb.get(obs_id)["wafer_slots_list"].split(",")
    for wafer in sorted({*there} & {*wafers} if wafers else there):
        tod = context.get_obs(f"{obs_id}:{wafer}:{band}")
        tod.signal -= tod.signal.mean(axis=1, keepdims=True)
        pointing = coords.P.for_tod(tod, comps="TQU", geom=enmap.read_map_geometry(area), site=site)
        inverse_variance = 1 / tod.signal.var(axis=1)
        weighted_map += pointing.to_map(tod, det_weights=inverse_variance)
        weights += pointing.to_weights(tod, det_weights=inverse_variance)
        print(f"Datacount: {obs_id}:{wafer}:{band} added {tod.dets.count} {tod.samps.count} ", flush=True)
enmap.write_map(f"{folder}/wmap.fits", weighted_map, extra={"BUNIT": "K^-1"})
enmap.write_map(f"{folder}/weights.fits", weights, extra={"BUNIT": "K^-2"})
