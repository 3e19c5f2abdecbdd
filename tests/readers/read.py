"""Reads a folder of generated files as somebody who knows only the definition would: with Arrow's own readers.

Arguments: the definition's TOML file, then the folder. Every table must have the rows and the column types that the
manifest tells; whatever is not as expected ends the script with an error.
"""

import json
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

definition = tomllib.loads(Path(sys.argv[1]).read_text())
folder = Path(sys.argv[2])
manifest = json.loads((folder / "manifest.json").read_text())

TYPES = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "smallint": pa.int16(),
    "double": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


def arrow_type(name):
    if name.startswith("decimal"):
        precision, scale = name[len("decimal(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return TYPES[name]


def layout(table):
    """The text format of a table: its own, or the dataset's, unless the run asked for another."""
    if manifest["recipe"]["format"] == "csv":
        return {"type": "csv"}
    if manifest["recipe"]["format"] != "as-defined":
        return {"type": manifest["recipe"]["format"]}
    return definition["table"][table].get("format", definition.get("format", {"type": "csv"}))


def read_csv(path, columns, form):
    header = form.get("header", True)
    names = [name for name, _ in columns]
    null = form.get("null", "")
    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(column_names=None if header else names),
        parse_options=pa.csv.ParseOptions(
            delimiter=form.get("delimiter", ","), quote_char=form.get("quote", '"'), newlines_in_values=True
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: arrow_type(kind) for name, kind in columns},
            null_values=[null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert table.column_names == names, (path, table.column_names, names)
    return table


def read_json(path, columns):
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
    with pa.input_stream(str(path), compression="detect") as stream:
        options = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
        return pa.json.read_json(pa.BufferReader(stream.read()), parse_options=options)


def read_parquet(path, columns):
    file = pa.parquet.ParquetFile(path)
    for name, kind in columns:
        actual = file.schema_arrow.field(name).type
        if kind == "timestamp":
            assert pa.types.is_timestamp(actual), (path, name, actual)
        else:
            assert actual == arrow_type(kind), (path, name, actual, kind)
    assert file.schema_arrow.names == [name for name, _ in columns], path
    return file.read()


total = 0
for table in manifest["tables"]:
    form = layout(table["name"])
    rows = 0
    for entry in table["objects"]:
        path = folder / entry["key"]
        assert path.stat().st_size == entry["bytes"], path
        if entry["rows"] == 0:
            continue
        match form["type"]:
            case "csv":
                read = read_csv(path, table["columns"], form)
            case "json":
                read = read_json(path, table["columns"])
            case "parquet":
                read = read_parquet(path, table["columns"])
        assert read.num_rows == entry["rows"], (path, read.num_rows, entry["rows"])
        rows += read.num_rows
    assert rows == table["rows"], (table["name"], rows, table["rows"])
    total += rows
print(f"{manifest['recipe']['definition']} {manifest['recipe']['format']} {manifest['recipe']['compression']}: {total} rows")
