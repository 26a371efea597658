"""What a file of features holds, as GDAL reads it: files.py FILE [COLUMN …]

Prints an object: for each layer its count, its fields, its coordinate system, the ids and columns that were asked for, and
the middle of each geometry's box in WGS-84 degrees, as the file's own coordinate system says they are.
"""

import json
import sys

import numpy
import pyogrio
import pyproj
import shapely


def plain(value):
    """A value of a column as JSON has it."""
    if value is None or (isinstance(value, (float, numpy.floating)) and numpy.isnan(value)):
        return None
    if isinstance(value, numpy.datetime64):
        return None if numpy.isnat(value) else str(value)
    return value.item() if isinstance(value, numpy.generic) else value


def layer(path, name, wanted):
    info = pyogrio.read_info(path, layer=name)
    columns = [column for column in wanted if column in list(info["fields"])]
    meta, fids, geometry, data = pyogrio.raw.read(path, layer=name, columns=columns, return_fids=True)
    shapes = shapely.from_wkb(geometry) if geometry is not None else []
    boxes = [None if shape is None or shape.is_empty else shape.bounds for shape in shapes]
    middles = [None if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in boxes]
    if info["crs"]:
        to = pyproj.Transformer.from_crs(info["crs"], "EPSG:4326", always_xy=True)
        middles = [None if middle is None else to.transform(*middle) for middle in middles]
    return {
        "count": len(fids),
        "fields": [str(field) for field in info["fields"]],
        "crs": info["crs"],
        "type": info["geometry_type"],
        "ids": [int(fid) for fid in fids],
        "middles": middles,
        "columns": {
            str(column): [plain(value) for value in values] for column, values in zip(meta["fields"], data)
        },
    }


def main():
    path, wanted = sys.argv[1], sys.argv[2:]
    names = [str(name) for name, _ in pyogrio.list_layers(path)]
    print(json.dumps({name: layer(path, name, wanted) for name in names}, ensure_ascii=False))


main()
