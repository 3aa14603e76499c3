#!/usr/bin/env python3
"""Sums meson's log of a test run as one line: N passed, N failed."""
import json
import sys

GOOD = ("OK", "EXPECTEDFAIL")
passed = failed = skipped = 0
for line in open(sys.argv[1], encoding="utf-8"):
    result = json.loads(line)["result"]
    if result in GOOD:
        passed += 1
    elif result == "SKIP":
        skipped += 1
    else:
        failed += 1
tail = f", {skipped} skipped" if skipped else ""
print(f"{passed} passed, {failed} failed{tail}")
sys.exit(passed == 0)
