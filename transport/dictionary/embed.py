#!/usr/bin/env python3
"""Writes the bytes of a file into a C file as packer_dictionary. usage: embed.py OUT IN"""
import sys

with open(sys.argv[2], "rb") as f:
    data = f.read()
with open(sys.argv[1], "w") as c:
    c.write('#include "transport/packer.h"\n\n')
    c.write("const unsigned char packer_dictionary[] = {")
    c.write(",".join(map(str, data)) + "};\n")
    c.write("const size_t packer_dictionary_len = sizeof(packer_dictionary);\n")
