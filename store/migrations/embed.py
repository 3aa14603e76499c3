#!/usr/bin/env python3
"""Writes the migrations given as NNNN-name.sql into a C file, in the order of their numbers."""
import pathlib, re, sys

out, *files = sys.argv[1:]
rows = []
for f in map(pathlib.Path, files):
    m = re.fullmatch(r"(\d{4})-([a-z0-9-]+)\.sql", f.name)
    if not m:
        sys.exit(f"{f.name}: not named NNNN-name.sql")
    rows.append((int(m[1]), m[2], f.read_bytes()))
rows.sort()
if len({n for n, _, _ in rows}) != len(rows):
    sys.exit("two migrations of one number")
with open(out, "w") as c:
    c.write('#include "store/migrate.h"\n\n')
    for n, _, sql in rows:
        # Bytes, since a compiler need not take string literals of this length.
        c.write(f"static const char sql_{n}[] = {{")
        c.write(",".join(map(str, sql + b"\0")) + "};\n")
    c.write("\nconst struct migration migrations[] = {\n")
    for n, name, _ in rows:
        c.write(f'\t{{ {n}, "{name}", sql_{n} }},\n')
    c.write("};\nconst size_t n_migrations = sizeof(migrations) / sizeof(migrations[0]);\n")
