"""Reads a server's map with the GDAL inside pyogrio, every layer, in pages of the size that is given.

usage: ogc_pyogrio.py ADDRESS TOKEN PAGE [CRS]

Prints one JSON object: GDAL's version, and of each layer the number of its features, their ids, bounds, reference system,
and the texts of a few columns. The token is said as a password, as a connection of QGIS says it.
"""

import json
import sys

import pyogrio
import shapely
from pyogrio.raw import read

TEXTS = ["uuid", "number", "description", "name", "line_name", "severity"]


def layer(source, name, options):
    meta, ids, shapes, columns = read(source, layer=name, return_fids=True, **options)
    shapes = [shapely.from_wkb(shape) if shape is not None else None for shape in shapes]
    placed = [shape for shape in shapes if shape is not None]
    fields = list(meta["fields"])
    texts = {
        text: [None if value is None else str(value) for value in columns[fields.index(text)]]
        for text in TEXTS
        if text in fields
    }
    return {
        "count": len(ids),
        "ids": [int(one) for one in ids],
        "bounds": list(shapely.total_bounds(placed)) if placed else None,
        "first": list(placed[0].coords[0]) if placed and placed[0].geom_type == "Point" else None,
        "crs": meta["crs"],
        "fields": fields,
        "texts": texts,
    }


def main():
    address, token, page, *crs = sys.argv[1:]
    pyogrio.set_gdal_config_options({"GDAL_HTTP_USERPWD": f"qgis:{token}", "GDAL_HTTP_AUTH": "BASIC"})
    source = f"OAPIF:{address}"
    options = {"PAGE_SIZE": page}
    if crs:
        options["CRS"] = crs[0]
    found = {"gdal": pyogrio.__gdal_version_string__, "layers": {}}
    for name, _shape in pyogrio.list_layers(source):
        found["layers"][str(name)] = layer(source, str(name), options)
    print(json.dumps(found))


main()
