"""What the files of a folder hold, as one GDAL reads them: layers.py FOLDER pyogrio|osgeo

Prints an object: of each file its fields, its rows in the order of the fields, the bounds of its places and the name of its
coordinate system. Times are `{"ms": …}` since 1970, days `{"day": …}`; a time without a zone is China's.
"""

import datetime
import json
import re
import sys
from pathlib import Path

MOMENT = re.compile(r"^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?$")
DAY = re.compile(r"^(\d{4})[-/](\d\d)[-/](\d\d)$")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# Of a workbook the last sheet says what the file is of; styles of a GeoPackage are a table.
BESIDE = {"About", "说明", "layer_styles"}


def offset(said):
    if said is None:
        return 8 * 60
    if said == "Z":
        return 0
    digits = said[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if said[0] == "-" else minutes


def plain(value):
    """A value of a cell as JSON has it."""
    if value is None or value != value:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, str):
        return value
    if found := MOMENT.match(value):
        year, month, day, hour, minute = (int(found[nth]) for nth in range(1, 6))
        at = datetime.datetime(year, month, day, hour, minute, int(found[6] or 0), tzinfo=datetime.timezone.utc)
        at -= datetime.timedelta(minutes=offset(found[8]))
        ms = int((at - EPOCH).total_seconds()) * 1000 + int((found[7] or "0").ljust(3, "0")[:3])
        # Midnight of a day, where the format has no days.
        whole = (hour, minute, found[6] or "00") == (0, 0, "00")
        return {"ms": ms, "day": (datetime.date(year, month, day) - EPOCH.date()).days if whole else None}
    if found := DAY.match(value):
        return {"day": (datetime.date(*(int(part) for part in found.groups())) - EPOCH.date()).days}
    return value


def opened(path):
    return f"/vsizip/{path}" if path.name.endswith(".shp.zip") else str(path)


def chosen(path, names):
    """The layer of a file: that of its name, else the first that is no table beside it."""
    own = path.name.split(".")[0]
    return own if own in names else next(name for name in names if name not in BESIDE)


def by_pyogrio(path):
    import pyogrio
    import shapely

    name = chosen(path, [str(name) for name, _ in pyogrio.list_layers(opened(path))])
    meta, _, shapes, data = pyogrio.raw.read(opened(path), layer=name, datetime_as_string=True)
    placed = [shape for shape in shapely.from_wkb(shapes) if shape is not None] if shapes is not None else []
    placed = [shape for shape in placed if not shape.is_empty]
    fields = [str(field) for field in meta["fields"]]
    if placed:
        bounds = list(shapely.total_bounds(placed))
    elif "WKT" in fields:
        bounds = of_texts(list(data[fields.index("WKT")]))
    else:
        bounds = None
    rows = [[plain(cell) for cell in row] for row in zip(*data)] if data else []
    return {"fields": fields, "rows": rows, "bounds": bounds, "crs": meta["crs"]}


def of_texts(texts):
    """The bounds of geometries that stand in a table as texts."""
    numbers = [re.findall(r"(-?[\d.]+) (-?[\d.]+)", text) for text in texts if text]
    points = [(float(x), float(y)) for text in numbers for x, y in text]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return [min(xs), min(ys), max(xs), max(ys)]


def by_osgeo(path):
    from osgeo import ogr

    source = ogr.Open(opened(path))
    names = [source.GetLayer(nth).GetName() for nth in range(source.GetLayerCount())]
    layer = source.GetLayerByName(chosen(path, names))
    definition = layer.GetLayerDefn()
    fields = [definition.GetFieldDefn(nth).GetName() for nth in range(definition.GetFieldCount())]
    kinds = [definition.GetFieldDefn(nth) for nth in range(definition.GetFieldCount())]
    rows, boxes, texts = [], [], []
    for feature in layer:
        row = []
        for nth, field in enumerate(kinds):
            if not feature.IsFieldSetAndNotNull(nth):
                row.append(None)
            elif field.GetType() == ogr.OFTReal:
                row.append(feature.GetFieldAsDouble(nth))
            elif field.GetType() in (ogr.OFTInteger, ogr.OFTInteger64):
                number = feature.GetFieldAsInteger64(nth)
                row.append(bool(number) if field.GetSubType() == ogr.OFSTBoolean else number)
            else:
                row.append(plain(feature.GetFieldAsString(nth)))
        rows.append(row)
        shape = feature.GetGeometryRef()
        if shape is not None and not shape.IsEmpty():
            west, east, south, north = shape.GetEnvelope()
            boxes.append((west, south, east, north))
        elif "WKT" in fields:
            texts.append(feature.GetField("WKT"))
    bounds = of_texts(texts) if any(texts) else None
    if boxes:
        bounds = [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]
    reference = layer.GetSpatialRef()
    crs = f"{reference.GetName()} EPSG:{reference.GetAuthorityCode(None)}" if reference else None
    return {"fields": fields, "rows": rows, "bounds": bounds, "crs": crs}


def main():
    folder, reader = Path(sys.argv[1]), {"pyogrio": by_pyogrio, "osgeo": by_osgeo}[sys.argv[2]]
    print(json.dumps({path.name: reader(path) for path in sorted(folder.iterdir())}, ensure_ascii=False))


main()
