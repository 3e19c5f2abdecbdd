"""Says what is wrong with a raw response, by the output shape of botocore's model.

botocore's own parsers are lenient: they drop members that they do not know and take what has a wrong type. Here every
member must be known and of its type, required ones must be there, and an enumeration has no other values.
"""

import base64
import datetime
import json
import re
import xml.etree.ElementTree as ElementTree

from botocore import parsers

INTEGER = re.compile(r"-?\d+$")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def problems(operation, response):
    """Yields one text for each thing that is wrong."""
    protocol = operation.service_model.resolved_protocol
    shape, body = operation.output_shape, response["body"]
    if protocol == "rest-xml":
        yield from rest_xml(shape, body, response["headers"])
    elif protocol == "ec2":
        root = ElementTree.fromstring(body)
        yield from root_is(root, operation.name + "Response")
        yield from xml_members(shape, [child for child in root if tag(child) != "requestId"], "")
        if root.find("{*}requestId") is None:
            yield "requestId is missing"
    elif protocol == "query":
        root = ElementTree.fromstring(body)
        yield from root_is(root, operation.name + "Response")
        if root.find("{*}ResponseMetadata/{*}RequestId") is None:
            yield "ResponseMetadata/RequestId is missing"
        if shape is not None:
            result = root.find("{*}" + shape.serialization["resultWrapper"])
            if result is None:
                yield shape.serialization["resultWrapper"] + " is missing"
            else:
                yield from xml_members(shape, result, "")
    elif protocol == "json":
        if shape is not None:
            yield from plain(shape, json.loads(body), "")
    elif protocol == "smithy-rpc-v2-cbor":
        if shape is not None:
            stream = parsers.RpcV2CBORParser().get_peekable_stream_from_bytes(body)
            yield from plain(shape, parsers.RpcV2CBORParser().parse_data_item(stream), "")
    else:
        yield f"the protocol {protocol} is not judged"


def tag(element):
    return element.tag.rsplit("}", 1)[-1]


def root_is(root, wanted):
    if tag(root) != wanted:
        yield f"the root is {tag(root)}, not {wanted}"


def rest_xml(shape, body, headers):
    if shape is None:
        return
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header":
            value = headers.get(member.serialization["name"])
            if value is not None:
                yield from scalar(member, value, name)
    if payload:
        member = shape.members[payload]
        if member.type_name == "structure" and body:
            yield from xml_members(member, ElementTree.fromstring(body), payload)
        return
    inside = {name for name, member in shape.members.items() if "location" not in member.serialization}
    if inside and body:
        yield from xml_members(shape, ElementTree.fromstring(body), "")
    elif body and not inside:
        yield f"a body where none is modelled: {body[:80]}"


def xml_members(shape, elements, path):
    if shape is None:
        yield from (f"unknown member {path}{tag(element)}" for element in elements)
        return
    names = {}
    for name, member in shape.members.items():
        names[xml_name(name, member)] = (name, member)
    seen = {}
    for element in elements:
        if tag(element) not in names:
            yield f"unknown member {path}/{tag(element)} of {shape.name}"
            continue
        name, member = names[tag(element)]
        flattened = member.type_name in ("list", "map") and member.serialization.get("flattened")
        if name in seen and not flattened:
            yield f"{path}/{name} is there twice"
        seen[name] = True
        yield from xml_value(member, element, f"{path}/{name}")
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute"):
            seen[name] = True
    for name in shape.required_members:
        if name not in seen and "location" not in shape.members[name].serialization:
            yield f"required member {path}/{name} of {shape.name} is missing"


def xml_name(name, member):
    if member.type_name == "list" and member.serialization.get("flattened"):
        return member.member.serialization.get("name", member.serialization.get("name", name))
    return member.serialization.get("name", name)


def xml_value(shape, element, path):
    kind = shape.type_name
    if kind == "structure":
        yield from xml_members(shape, element, path)
    elif kind == "list" and shape.serialization.get("flattened"):
        yield from xml_value(shape.member, element, path)
    elif kind == "list":
        wanted = shape.member.serialization.get("name", "member")
        for item in element:
            if tag(item) != wanted:
                yield f"{path} holds {tag(item)}, not {wanted}"
            yield from xml_value(shape.member, item, path + "[]")
    elif kind == "map":
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        for entry in [element] if shape.serialization.get("flattened") else element:
            if {tag(part) for part in entry} != {key, value}:
                yield f"{path} has an entry of {[tag(part) for part in entry]}"
                continue
            yield from xml_value(shape.value, entry.find("{*}" + value), path + "{}")
    else:
        yield from scalar(shape, element.text or "", path)


def scalar(shape, text, path):
    """A value that is written as text."""
    kind = shape.type_name
    if kind in ("integer", "long"):
        right = INTEGER.match(text)
    elif kind in ("double", "float"):
        right = re.match(r"-?\d+(\.\d+)?([eE][-+]?\d+)?$", text)
    elif kind == "boolean":
        right = text in ("true", "false")
    elif kind == "timestamp":
        wanted = shape.serialization.get("timestampFormat")
        in_header = shape.serialization.get("location") == "header" and wanted != "iso8601"
        right = is_http_date(text) if in_header or wanted == "rfc822" else ISO.match(text)
    elif kind == "blob":
        right = base64.b64decode(text, validate=True) is not None
    else:
        right = True
        yield from in_enum(shape, text, path)
    if not right:
        yield f"{path} is {text!r}, not a {kind}"


def is_http_date(text):
    try:
        return datetime.datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None


def in_enum(shape, text, path):
    if getattr(shape, "enum", None) and text not in shape.enum:
        yield f"{path} is {text!r}, which {shape.name} does not have"


TYPES = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float, datetime.datetime),
    "blob": (str, bytes),
    "structure": dict,
    "map": dict,
    "list": list,
}


def plain(shape, value, path):
    """A value of JSON or CBOR."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if kind == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
        if not (isinstance(value, str) and ISO.match(value)):
            yield f"{path} is {value!r}, not an instant as text"
        return
    if not isinstance(value, TYPES[kind]) or (kind in ("integer", "long", "double") and isinstance(value, bool)):
        # Numbers that JSON does not have are written as words.
        if not (kind in ("double", "float") and value in ("NaN", "Infinity", "-Infinity")):
            yield f"{path} is {value!r}, not a {kind}"
    elif kind == "structure":
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            if name not in names:
                yield f"unknown member {path}/{name} of {shape.name}"
            elif inner is not None:
                yield from plain(names[name], inner, f"{path}/{name}")
        for name in shape.required_members:
            if value.get(shape.members[name].serialization.get("name", name)) is None:
                yield f"required member {path}/{name} of {shape.name} is missing"
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield f"{path} is a union of {sorted(value)}"
    elif kind == "list":
        for item in value:
            yield from plain(shape.member, item, path + "[]")
    elif kind == "map":
        for item in value.values():
            if item is not None:
                yield from plain(shape.value, item, path + "{}")
    elif kind == "string":
        yield from in_enum(shape, value, path)
