#!/usr/bin/env python3
"""Compares the client API's routes with the specification's endpoints (style.md, section 7).

usage: endpoints.py PRINT_ROUTES SOURCE_ROOT

Each endpoint of the specification has a route or a line in endpoints-to-come.txt, not both; each
route is the specification's, or a line of extensions.txt (operation, its MSC or where the
specification's text has it, who asks for it).
"""
import collections, pathlib, subprocess, sys


EMPTY_KEY = "/{stateKey}"  # may be left out, and the slash as well (room state, "Room events")


def forms(method, path):
    short = path.removesuffix(EMPTY_KEY)
    return [(method, path)] + ([(method, short), (method, short + "/")] if short != path else [])


def lines(path):
    text = path.read_text().splitlines()
    return [l for l in text if l.strip() and not l.startswith("#")]


def main(printer, root):
    root = pathlib.Path(root)
    here = root / "tests/lint"
    out = subprocess.run([printer], check=True, capture_output=True, text=True).stdout
    routes = [tuple(l.split("\t")) for l in out.splitlines()]
    spec = {}
    for l in (root / "tests/vectors/client_endpoints.tsv").read_text().splitlines()[1:]:
        method, path, operation, _ = l.split("\t")
        spec[operation] = (method, path)
    to_come = [l.split()[0] for l in lines(here / "endpoints-to-come.txt")]
    extensions = {l.split()[0]: l.split()[1:] for l in lines(here / "extensions.txt")}

    bad = []
    names = {r[0] for r in routes}
    for name, n in collections.Counter(r[0] for r in routes).items():
        if n > 1 and name not in extensions and not spec[name][1].endswith(EMPTY_KEY):
            bad.append(f"{name}: {n} routes")
    for operation, method, path in routes:
        if operation in spec:
            if (method, path) not in forms(*spec[operation]):
                bad.append(f"{operation}: {method} {path} instead of {' '.join(spec[operation])}")
        elif operation not in extensions:
            bad.append(f"{operation}: neither the specification's nor in extensions.txt")
    for name, words in extensions.items():
        if name not in names:
            bad.append(f"{name}: in extensions.txt, but there is no such route")
        if len(words) < 2:
            bad.append(f"{name}: extensions.txt must name its MSC, or its place in the text, and who asks for it")
    for operation in spec:
        if operation not in names and operation not in to_come:
            bad.append(f"{operation}: no route, and not in endpoints-to-come.txt")
    for operation in to_come:
        if operation not in spec:
            bad.append(f"{operation}: in endpoints-to-come.txt, but not the specification's")
        elif operation in names:
            bad.append(f"{operation}: has a route: take it off endpoints-to-come.txt")
    print("\n".join(bad))
    print(f"{len(names & set(spec))} of {len(spec)} endpoints, {len(extensions)} extensions")
    return 1 if bad else 0


sys.exit(main(*sys.argv[1:]))
