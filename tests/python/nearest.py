"""The rival of the figure `match`: one vectorised call of shapely's STRtree.nearest, on one thread.

Reads a file of little-endian 64-bit integers, degrees x 1e7: how many spans, how many points, then of each span two
positions (latitude, longitude) and of each point one. Projects all of it with pyproj and builds the tree before the
clock starts; prints, as JSON, the seconds of each call and the distances of the last one.
"""

import json
import sys
import time

import numpy
import pyproj
import shapely


def main():
    numbers = numpy.fromfile(sys.argv[1], dtype="<i8")
    calls = int(sys.argv[2])
    spans, points = int(numbers[0]), int(numbers[1])
    ends = numbers[2 : 2 + 4 * spans].reshape(-1, 2) / 1e7
    places = numbers[2 + 4 * spans :].reshape(-1, 2) / 1e7
    assert len(places) == points, "the file is cut short"
    zone = int((ends[:, 1].mean() + 180) // 6) + 1
    plane = pyproj.Proj(proj="utm", zone=zone, ellps="WGS84")
    lines = shapely.linestrings(numpy.column_stack(plane(ends[:, 1], ends[:, 0])).reshape(-1, 2, 2))
    queries = shapely.points(numpy.column_stack(plane(places[:, 1], places[:, 0])))
    tree = shapely.STRtree(lines)
    tree.nearest(queries[:100])
    took = []
    for _call in range(calls):
        start = time.perf_counter()
        found = tree.nearest(queries)
        took.append(time.perf_counter() - start)
    distances = shapely.distance(queries, lines[found])
    print(json.dumps({"seconds": took, "metres": float(distances.sum()), "version": shapely.__version__}))


if __name__ == "__main__":
    main()
