"""Holds what the server's geometry computed against pyproj, and GCJ-02 and BD-09 against their public formulas.

Reads a file of cases that `tests/firebreak/geometry/pyproj.rs` writes; prints the largest difference of each kind, in
millimetres, as JSON. Nothing here judges: the test does.
"""

import json
import math
import sys

import numpy
import pyproj

GEOD = pyproj.Geod(ellps="WGS84")


def length_errors(lines):
    """Chainage of every vertex against the running sum of inverse geodesics."""
    worst = 0.0
    for line in lines:
        lat, lon = numpy.array(line["vertices"]).T / 1e7
        _, _, steps = GEOD.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
        sums = numpy.concatenate([[0.0], numpy.cumsum(steps)]) * 1e3
        worst = max(worst, float(numpy.abs(sums - numpy.array(line["chainages_mm"])).max()))
    return worst


def zone_errors(cases):
    """Both ways through each zone; by always_xy and by the axes of EPSG, which are northing, easting."""
    forward = backward = 0.0
    for case in cases:
        code = f"EPSG:{case['code']}"
        epsg_axes = pyproj.Transformer.from_crs("EPSG:4490", code)
        north, east = epsg_axes.transform(case["lat"], case["lon"])
        forward = max(forward, math.hypot(east - case["x"], north - case["y"]) * 1e3)
        as_xy = pyproj.Transformer.from_crs(code, "EPSG:4490", always_xy=True)
        lon, lat = as_xy.transform(case["x"], case["y"])
        _, _, off = GEOD.inv(lon, lat, case["back_lon"], case["back_lat"])
        backward = max(backward, off * 1e3)
    return forward, backward


def waves(value, first, second, third):
    return (
        first[0] * math.sin(first[1] * value * math.pi) + second[0] * math.sin(second[1] * value * math.pi)
    ) * 2 / 3 + third


def gcj02(lat, lon):
    """The public formula, in degrees."""
    axis, squared = 6378245.0, 0.00669342162296594323
    x, y = lon - 105.0, lat - 35.0
    both = waves(x, (20.0, 6.0), (20.0, 2.0), 0.0)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + both
    north += waves(y, (20.0, 1.0), (40.0, 1 / 3), 0.0) + waves(y, (160.0, 1 / 12), (320.0, 1 / 30), 0.0)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + both
    east += waves(x, (20.0, 1.0), (40.0, 1 / 3), 0.0) + waves(x, (150.0, 1 / 12), (300.0, 1 / 30), 0.0)
    sine = math.sin(math.radians(lat))
    magic = 1 - squared * sine * sine
    north *= 180.0 / (axis * (1 - squared) / (magic * math.sqrt(magic)) * math.pi)
    east *= 180.0 / (axis / math.sqrt(magic) * math.cos(math.radians(lat)) * math.pi)
    return lat + north, lon + east


def bd09(lat, lon):
    lat, lon = gcj02(lat, lon)
    pi = math.pi * 3000.0 / 180.0
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * pi)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * pi)
    return radius * math.sin(angle) + 0.006, radius * math.cos(angle) + 0.0065


def shifted_errors(cases):
    """GCJ-02 and BD-09 forward, and the positions that came back."""
    forward = backward = 0.0
    for case in cases:
        lat, lon = {"gcj02": gcj02, "bd09": bd09}[case["datum"]](case["lat"], case["lon"])
        forward = max(forward, GEOD.inv(lon, lat, case["x"], case["y"])[2] * 1e3)
        backward = max(backward, GEOD.inv(case["lon"], case["lat"], case["back_lon"], case["back_lat"])[2] * 1e3)
    return forward, backward


def nearest(starts, ends, lat, lon):
    """The distance to the nearest of all segments, in the equidistant projection around the point."""
    plane = pyproj.Proj(proj="aeqd", lat_0=lat, lon_0=lon, ellps="WGS84")
    a = numpy.column_stack(plane(starts[:, 1], starts[:, 0]))
    along = numpy.column_stack(plane(ends[:, 1], ends[:, 0])) - a
    squared = numpy.maximum((along**2).sum(axis=1), 1e-12)
    part = numpy.clip(-(a * along).sum(axis=1) / squared, 0.0, 1.0)
    return float(numpy.hypot(*(a + along * part[:, None]).T).min())


def match_errors(lines, matches):
    """The offset against the least of all, as a share of what is allowed; and against the geodesic to its foot."""
    points = [numpy.array(line["vertices"]) / 1e7 for line in lines]
    starts = numpy.concatenate([line[:-1] for line in points])
    ends = numpy.concatenate([line[1:] for line in points])
    share = to_foot = 0.0
    for case in matches:
        lat, lon = case["lat_e7"] / 1e7, case["lon_e7"] / 1e7
        found = case["offset_mm"] / 1e3
        least = nearest(starts, ends, lat, lon)
        share = max(share, abs(found - least) / max(1.0, least / 1000))
        foot_lat, foot_lon = case["foot"][0] / 1e7, case["foot"][1] / 1e7
        to_foot = max(to_foot, abs(GEOD.inv(lon, lat, foot_lon, foot_lat)[2] - found) * 1e3)
    return share, to_foot


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    zone_forward, zone_backward = zone_errors(cases["zones"])
    shifted_forward, shifted_backward = shifted_errors(cases["shifted"])
    share, to_foot = match_errors(cases["lines"], cases["matches"])
    said = {
        "chainage_mm": length_errors(cases["lines"]),
        "zone_forward_mm": zone_forward,
        "zone_backward_mm": zone_backward,
        "shifted_forward_mm": shifted_forward,
        "shifted_backward_mm": shifted_backward,
        "match_share": share,
        "match_foot_mm": to_foot,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
