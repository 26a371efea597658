"""How many features inside its extent each tile of a folder holds.

    tile_features.py FOLDER

Prints `{name: features}` of every NAME.mvt as JSON.
"""

import json
import sys
from pathlib import Path

import mapbox_vector_tile


def inside(tile):
    for layer in tile.values():
        extent = layer["extent"]
        for feature in layer["features"]:
            x, y = feature["geometry"]["coordinates"]
            yield 0 <= x < extent and 0 <= y < extent


def main(folder):
    options = {"y_coord_down": True}
    decoded = ((path, mapbox_vector_tile.decode(path.read_bytes(), default_options=options)) for path in folder.glob("*.mvt"))
    return {path.stem: sum(inside(tile)) for path, tile in decoded}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
