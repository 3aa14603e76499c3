#!/usr/bin/env python3
"""Makes tests/vectors/client_schemas.json of the specification's OpenAPI data.

    distil.py SPEC/data > tests/vectors/client_schemas.json   (needs python3-yaml; run by hand)

What stays of each client-server operation: its method, path, parameters, and the schemas of its
request body and of its answers, with nothing in them that only people read.
"""
import json
import os
import pathlib
import sys

import yaml

KEYWORDS = ("type", "format", "pattern", "enum", "required", "minProperties")
METHODS = ("get", "put", "post", "delete")


class Distiller:
    def __init__(self, data):
        self.data = data
        self.files = {}
        self.definitions = {}

    def file(self, path):
        if path not in self.files:
            self.files[path] = yaml.safe_load((self.data / path).read_text(encoding="utf-8"))
        return self.files[path]

    def resolve(self, ref, path):
        """The file and the fragment that a $ref in path stands for."""
        name, _, fragment = ref.partition("#")
        if name:
            path = os.path.normpath(os.path.join(os.path.dirname(path), name))
        value = self.file(path)
        for step in filter(None, fragment.split("/")):
            value = value[step.replace("~1", "/").replace("~0", "~")]
        return path, fragment, value

    def follow(self, value, path):
        while isinstance(value, dict) and "$ref" in value:
            path, _, value = self.resolve(value["$ref"], path)
        return path, value

    def define(self, ref, path):
        path, fragment, value = self.resolve(ref, path)
        name = path.removeprefix("api/client-server/") + ("#" + fragment if fragment else "")
        if name not in self.definitions:
            self.definitions[name] = {}  # it may refer to itself
            self.definitions[name] = self.schema(value, path)
        return name

    def schema(self, s, path):
        if not isinstance(s, dict):
            return s
        out = {k: s[k] for k in KEYWORDS if k in s}
        if "$ref" in s:
            out["$ref"] = self.define(s["$ref"], path)
        for k in ("properties", "patternProperties"):
            if k in s:
                out[k] = {name: self.schema(v, path) for name, v in s[k].items()}
        for k in ("items", "additionalProperties"):
            if k in s:
                out[k] = self.schema(s[k], path)
        for k in ("allOf", "oneOf", "anyOf"):
            if k in s:
                out[k] = [self.schema(v, path) for v in s[k]]
        return out

    def body(self, value, path):
        """The schema of a body that is JSON; None for bytes and for what has no body."""
        path, value = self.follow(value, path)
        content = (value or {}).get("content", {})
        if "application/json" not in content or "schema" not in content["application/json"]:
            return None
        return self.schema(content["application/json"]["schema"], path)

    def operation(self, op, shared, base, url, method, path):
        parameters = []
        for p in shared + op.get("parameters", []):
            at, p = self.follow(p, path)
            parameters.append({"name": p["name"], "in": p["in"],
                               "required": p.get("required", False),
                               "schema": self.schema(p.get("schema", {}), at)})
        out = {"method": method.upper(), "path": base + url.strip(), "parameters": parameters,
               "answers": {code: self.body(a, path) for code, a in op["responses"].items()}}
        if "requestBody" in op:
            out["request"] = self.body(op["requestBody"], path)
        return out

    def operations(self):
        out = {}
        for file in sorted((self.data / "api/client-server").glob("*.yaml")):
            path = str(file.relative_to(self.data))
            api = self.file(path)
            base = api["servers"][0].get("variables", {}).get("basePath", {}).get("default", "")
            for url, item in api.get("paths", {}).items():
                for method in METHODS:
                    if method in item:
                        op = item[method]
                        out[op["operationId"]] = self.operation(
                            op, item.get("parameters", []), base, url, method, path)
        return out


def main():
    d = Distiller(pathlib.Path(sys.argv[1]))
    operations = d.operations()
    json.dump({"operations": operations, "definitions": d.definitions}, sys.stdout,
              indent=0, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
