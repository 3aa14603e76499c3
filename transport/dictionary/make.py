#!/usr/bin/env python3
"""Writes dictionary 1 of the overlay's requests (overlay.md, section 10) from the Matrix specification.

usage: make.py SPEC OUT    SPEC holds openapi-bundle.json: the specification's data/ as one object
The samples are what nodes send each other: the specification's example events as PDUs of a
transaction, its federation examples as they are. zstd's own trainer (libzstd.so.1) picks from
them; chance has a fixed seed, so the same input makes the same file.
"""
import base64, ctypes, json, random, sys

SIZE, ID, LEVEL = 8192, 1, 3
chance = random.Random(1)


def b64(n, url=False):
    raw = bytes(chance.getrandbits(8) for _ in range(n))
    return (base64.urlsafe_b64encode if url else base64.b64encode)(raw).decode().rstrip("=")


def name():
    raw = bytes(chance.getrandbits(8) for _ in range(32))
    return base64.b32encode(raw).decode().rstrip("=").lower()


def text(value):
    """Canonical, as it travels."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def examples(bundle):
    """Every example of the federation API, and every example event."""
    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "example":
                    yield value
                elif key == "examples" and isinstance(value, dict):
                    yield from (v.get("value") for v in value.values() if isinstance(v, dict))
                else:
                    yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    for path, node in sorted(bundle.items()):
        if path.startswith("api/server-server/"):
            yield from ((path, e) for e in walk(node))
        elif path.startswith("event-schemas/examples/"):
            yield path, node


def pdu(event, server, room):
    auth = [f"${b64(32, True)}" for _ in range(chance.randint(2, 4))]
    e = {"auth_events": auth, "content": event["content"], "depth": chance.randint(2, 9999),
         "hashes": {"sha256": b64(32)}, "origin_server_ts": 1700000000000 + chance.randrange(10**11),
         "prev_events": [f"${b64(32, True)}"], "room_id": room,
         "sender": f"@{chance.choice(['alice', 'bob', 'eve'])}:{server}", "type": event["type"],
         "signatures": {server: {"ed25519:0": b64(64)}}}
    if "state_key" in event:
        e["state_key"] = e["sender"] if event["type"] == "m.room.member" else event["state_key"]
    return e


def transaction(pdus, edus, server):
    return text({"origin": server, "origin_server_ts": 1700000000000 + chance.randrange(10**11)})[:-1] + \
        ',"pdus":' + text(pdus) + ',"edus":' + text(edus) + "}"


def samples(bundle):
    out = []
    for path, e in examples(bundle):
        if not isinstance(e, dict):
            continue
        if not path.startswith("event-schemas/"):
            if len(text(e)) >= 64:
                out.append(text(e))
            continue
        if not isinstance(e.get("content"), dict) or "type" not in e:
            continue
        server, room = name(), "!" + b64(32, True)
        if "room_id" in e or "state_key" in e:
            weight = 12 if e["type"] in ("m.room.message", "m.room.encrypted") else \
                4 if e["type"].startswith("m.room.") else 1
            for _ in range(weight):
                out.append(transaction([pdu(e, server, room)], [], server))
        else:
            edu = {"content": {"message_id": b64(12), "messages": {f"@bob:{name()}": {"ABCDEFGHIJ": e["content"]}},
                               "sender": f"@alice:{server}", "type": e["type"]},
                   "edu_type": "m.direct_to_device"}
            out.append(transaction([], [edu], server))
    return [s.encode() for s in out]


def train(parts):
    z = ctypes.CDLL("libzstd.so.1")
    z.ZDICT_trainFromBuffer.restype = z.ZDICT_finalizeDictionary.restype = ctypes.c_size_t
    sizes = (ctypes.c_size_t * len(parts))(*map(len, parts))
    raw = ctypes.create_string_buffer(SIZE)
    n = z.ZDICT_trainFromBuffer(raw, ctypes.c_size_t(SIZE), b"".join(parts), sizes, len(parts))
    if z.ZDICT_isError(ctypes.c_size_t(n)):
        sys.exit("training failed")
    out = bytearray(raw.raw[:n])
    out[4:8] = ID.to_bytes(4, "little")
    return bytes(out)


if __name__ == "__main__":
    with open(sys.argv[1] + "/openapi-bundle.json") as f:
        parts = samples(json.load(f))
    with open(sys.argv[2], "wb") as f:
        f.write(train(parts))
    print(len(parts), "samples,", sum(map(len, parts)), "bytes")
