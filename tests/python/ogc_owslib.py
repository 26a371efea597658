"""Reads a server's map with OWSLib: landing page, conformance, collections, queryables, features.

usage: ogc_owslib.py ADDRESS TOKEN

Prints one JSON object with what it read.
"""

import json
import sys

from owslib.ogcapi.features import Features
from owslib.util import Authentication


def main():
    address, token = sys.argv[1:]
    service = Features(address, auth=Authentication("owslib", token))
    read = {
        "rels": sorted(link["rel"] for link in service.links),
        "conformance": service.conformance()["conformsTo"],
        "layers": service.feature_collections(),
        "paths": sorted(service.api()["paths"]),
        "queryables": {},
        "ids": {},
        "titles": {},
    }
    for name in read["layers"]:
        read["titles"][name] = service.collection(name)["title"]
        read["queryables"][name] = sorted(service.collection_queryables(name)["properties"])
        page = service.collection_items(name, limit=1000)
        read["ids"][name] = [feature["id"] for feature in page["features"]]
    one = read["ids"]["hazards"][0]
    read["one"] = service.collection_item("hazards", str(one))["properties"]
    filtered = service.collection_items("hazards", filter="severity = 'critical'", limit=1000)
    read["critical"] = filtered["numberMatched"]
    within = service.collection_items("hazards", bbox=[103.0, 29.98, 103.0004, 29.9801], limit=1000)
    read["within"] = len(within["features"])
    print(json.dumps(read))


main()
