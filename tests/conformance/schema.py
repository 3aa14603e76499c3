"""The specification's schemas of the client-server API, and whether a value has their shape.

The data is tests/vectors/client_schemas.json (distil.py makes it). Only what those schemas use is
understood; anything else is an error of the data, so that no check is left out unseen.
"""
import json
import pathlib
import re
import urllib.parse

DATA = pathlib.Path(__file__).resolve().parent.parent / "vectors/client_schemas.json"

UNDERSTOOD = {"type", "format", "pattern", "enum", "required", "minProperties", "$ref", "properties",
              "patternProperties", "items", "additionalProperties", "allOf", "oneOf", "anyOf"}

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "null": lambda v: v is None,
}

FORMATS = {
    "mx-room-id": r"^![^\0]+$",
    "mx-user-id": r"^@[^:\0]*:.+$",
    "mx-event-id": r"^\$[^\0]+$",
    "mx-room-alias": r"^#[^\0]+:.+$",
    "mx-mxc-uri": r"^mxc://[^/]+/[A-Za-z0-9_-]+$",
    "mx-server-name": r"^[0-9A-Za-z.:\[\]-]+$",
    "mx-unpadded-base64": r"^[A-Za-z0-9+/]*$",
    "mx-urlsafe-unpadded-base64": r"^[A-Za-z0-9_-]*$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:",
}


class Api:
    """All operations, by their operationId or by method and path."""

    def __init__(self):
        data = json.loads(DATA.read_text(encoding="utf-8"))
        self.operations = data["operations"]
        self.definitions = data["definitions"]
        self.routes = []
        for name, op in self.operations.items():
            parts = re.split(r"\{[^}]*\}", op["path"])
            path = "([^/]*)".join(map(re.escape, parts))
            # A path without parameters goes before one whose parameter it would fit.
            self.routes.append((len(parts), op["method"], re.compile(path + "$"), name))
        self.routes.sort(key=lambda r: r[0])

    def find(self, method, target):
        """The operationId of a request, or None: no path of the specification."""
        path = urllib.parse.urlsplit(target).path
        for _, m, pattern, name in self.routes:
            if m == method and pattern.match(path):
                return name
        return None

    def check_answer(self, name, status, value):
        """What is wrong with an answer, as lines; none if it is as the specification has it."""
        if status >= 400:
            return self.check_error(value)
        answers = self.operations[name]["answers"]
        if str(status) not in answers:
            return [f"{name}: status {status} is none of the specification's"]
        schema = answers[str(status)]
        return self.check(value, schema, name) if schema is not None else []

    @staticmethod
    def check_error(value):
        if not isinstance(value, dict):
            return [f"an error is no object: {value!r}"]
        if "flows" in value:
            return []  # user-interactive authentication
        if not re.match(r"^[A-Z][A-Z0-9_.]+$", str(value.get("errcode"))):
            return [f"an error without an errcode: {value!r}"]
        return [] if isinstance(value.get("error"), str) else [f"an error without a text: {value!r}"]

    def check(self, value, schema, at="$"):
        """Each way in which the value isn't of that shape, as a line that names the place."""
        out = []
        self._check(value, schema, at, out)
        return out

    def _check(self, value, schema, at, out):
        unknown = set(schema) - UNDERSTOOD
        assert not unknown, f"schema at {at}: {unknown} is not understood"
        if "$ref" in schema:
            self._check(value, self.definitions[schema["$ref"]], at, out)
        types = schema.get("type")
        if types is not None:
            types = [types] if isinstance(types, str) else types
            if not any(TYPES[t](value) for t in types):
                out.append(f"{at}: {json.dumps(value)[:80]} is not of type {'/'.join(types)}")
                return
        if "enum" in schema and value not in schema["enum"]:
            out.append(f"{at}: {value!r} is none of {schema['enum']}")
        if isinstance(value, str):
            self._check_string(value, schema, at, out)
        elif isinstance(value, dict):
            self._check_object(value, schema, at, out)
        elif isinstance(value, list) and "items" in schema:
            for i, v in enumerate(value):
                self._check(v, schema["items"], f"{at}[{i}]", out)
        self._check_choices(value, schema, at, out)

    def _check_string(self, value, schema, at, out):
        for pattern in (schema.get("pattern"), FORMATS.get(schema.get("format"))):
            if pattern and not re.search(pattern, value):
                out.append(f"{at}: {value!r} does not match {pattern}")

    def _check_object(self, value, schema, at, out):
        for key in schema.get("required", []):
            if key not in value:
                out.append(f"{at}: {key} is missing")
        if len(value) < schema.get("minProperties", 0):
            out.append(f"{at}: has too few properties")
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        extra = schema.get("additionalProperties", True)
        for key, v in value.items():
            known = key in properties
            if known:
                self._check(v, properties[key], f"{at}.{key}", out)
            for pattern, s in patterns.items():
                if re.search(pattern, key):
                    known = True
                    self._check(v, s, f"{at}.{key}", out)
            if known or extra is True:
                continue
            if extra is False:
                out.append(f"{at}: {key} has no business here")
            else:
                self._check(v, extra, f"{at}.{key}", out)

    def _check_choices(self, value, schema, at, out):
        for s in schema.get("allOf", []):
            self._check(value, s, at, out)
        for kind in ("oneOf", "anyOf"):
            if kind not in schema:
                continue
            # The specification says oneOf where a value may well fit more than one of them.
            if all(self.check(value, s, at) for s in schema[kind]):
                out.append(f"{at}: fits none of {len(schema[kind])} alternatives")
