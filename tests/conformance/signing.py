"""Ed25519 (RFC 8032) and signed JSON, as far as tests need it: short, slow, never for real keys."""
import base64
import hashlib
import json

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def _recover_x(y):
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 else x


# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
BASE = (_recover_x(BASE_Y), BASE_Y, 1, _recover_x(BASE_Y) * BASE_Y % P)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = _add(out, point)
        point = _add(point, point)
        n >>= 1
    return out


def _pack(point):
    z = pow(point[2], P - 2, P)
    return (point[1] * z % P | (point[0] * z % P & 1) << 255).to_bytes(32, "little")


def _number(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def encode(data):
    return base64.b64encode(data).decode().rstrip("=")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Key:
    """A key pair made from a word."""

    def __init__(self, word):
        digest = hashlib.sha512(hashlib.sha256(word.encode()).digest()).digest()
        self.scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
        self.prefix = digest[32:]
        self.public_bytes = _pack(_times(self.scalar, BASE))
        self.public = encode(self.public_bytes)

    def sign(self, data):
        r = _number(self.prefix + data) % ORDER
        big_r = _pack(_times(r, BASE))
        s = (r + _number(big_r + self.public_bytes + data) * self.scalar) % ORDER
        return encode(big_r + s.to_bytes(32, "little"))

    def signed(self, value, user_id, name=None):
        """The object with one more signature, of this key by its name (its public part)."""
        bare = {k: v for k, v in value.items() if k not in ("signatures", "unsigned")}
        signatures = {u: dict(s) for u, s in value.get("signatures", {}).items()}
        signatures.setdefault(user_id, {})[f"ed25519:{name or self.public}"] = self.sign(canonical(bare))
        return {**value, "signatures": signatures}


def device_keys(user, word, signed=True):
    """What a device uploads of itself, and its key."""
    key = Key(f"{user.user_id} {user.device_id} {word}")
    value = {
        "user_id": user.user_id, "device_id": user.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"ed25519:{user.device_id}": key.public,
                 f"curve25519:{user.device_id}": encode(hashlib.sha256(word.encode()).digest())},
    }
    if signed:
        value = key.signed(value, user.user_id, user.device_id)
    return value, key


def cross_signing_keys(user, word):
    """The body of keys/device_signing/upload, and the three keys by usage."""
    keys = {usage: Key(f"{user.user_id} {usage} {word}") for usage in ("master", "self_signing", "user_signing")}
    body = {}
    for usage, key in keys.items():
        value = {"user_id": user.user_id, "usage": [usage], "keys": {f"ed25519:{key.public}": key.public}}
        body[f"{usage}_key"] = value if usage == "master" else keys["master"].signed(value, user.user_id)
    return body, keys
