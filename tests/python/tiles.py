"""Decodes vector tiles with another implementation and says what is in them.

    tiles.py FOLDER

FOLDER holds tiles named ZOOM-ROW-COLUMN.mvt and `expected.json`: the hazards that were put there, `{id: [lat, lon]}`.
Prints, as JSON, for each zoom: how many tiles and features there are, which hazards are missing, which come twice, and how
far the farthest point is from where its position is projected to, in units of the tile.
"""

import json
import math
import sys
from collections import Counter
from pathlib import Path

import mapbox_vector_tile

EXTENT = 4096


def projected(lat, lon, zoom):
    """Where a position is, in units of the tiles of a zoom."""
    size = EXTENT * 2**zoom
    north = math.asinh(math.tan(math.radians(lat)))
    return (lon + 180) / 360 * size, (1 - north / math.pi) / 2 * size


def main(folder):
    expected = {int(number): place for number, place in json.loads((folder / "expected.json").read_text()).items()}
    zooms = {}
    for path in sorted(folder.glob("*.mvt")):
        zoom, row, column = (int(part) for part in path.stem.split("-"))
        found = zooms.setdefault(zoom, {"tiles": 0, "ids": Counter(), "off": 0.0, "counted": 0, "keys": Counter()})
        found["tiles"] += 1
        options = {"y_coord_down": True}
        tile = mapbox_vector_tile.decode(path.read_bytes(), default_options=options)
        for name, layer in tile.items():
            assert layer["extent"] == EXTENT, layer["extent"]
            for feature in layer["features"]:
                x, y = feature["geometry"]["coordinates"]
                if not (0 <= x < EXTENT and 0 <= y < EXTENT):
                    continue
                found["keys"].update([name, *feature["properties"]])
                if name == "hazard_counts":
                    found["counted"] += feature["properties"]["count"]
                    continue
                found["ids"][feature["id"]] += 1
                if feature["id"] in expected:
                    exact_x, exact_y = projected(*expected[feature["id"]], zoom)
                    off = max(abs(column * EXTENT + x + 0.5 - exact_x), abs(row * EXTENT + y + 0.5 - exact_y))
                    found["off"] = max(found["off"], off)
    return {
        str(zoom): {
            "tiles": found["tiles"],
            "features": found["ids"].total(),
            "counted": found["counted"],
            "missing": sorted(set(expected) - set(found["ids"]))[:10],
            "twice": sorted(number for number, times in found["ids"].items() if times > 1)[:10],
            "off": round(found["off"], 3),
            "keys": sorted(found["keys"]),
        }
        for zoom, found in zooms.items()
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
