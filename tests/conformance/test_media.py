"""Media: uploads, reserved ids, downloads and their headers, thumbnails."""
import http.client
import socket
import struct
import threading
import time
import urllib.parse
import zlib

from client import Case, Client, path


def png(width, height, colour=(200, 30, 30)):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = (b"\0" + bytes(colour) * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def size_of(data):
    """The width and height of a PNG or JPEG."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return struct.unpack(">II", data[16:24])
    assert data.startswith(b"\xff\xd8"), data[:32]
    at = 2
    while data[at + 1] not in (0xc0, 0xc1, 0xc2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    return struct.unpack(">HH", data[at + 5:at + 9])[::-1]


class MediaCase(Case):
    def upload(self, u, data, type="image/png", name=None):
        target = "/_matrix/media/v3/upload"
        if name is not None:
            target += "?" + urllib.parse.urlencode({"filename": name})
        out = u.raw("POST", target, data, {"Content-Type": type})
        self.assertEqual(out.status, 200, out)
        uri = out.json["content_uri"]
        self.assertRegex(uri, r"^mxc://[^/]+/[A-Za-z0-9_-]{22,}$")
        return uri

    def get(self, who, uri, *more, kind="download", query=None, headers=None):
        server, media_id = uri.removeprefix("mxc://").split("/")
        target = path("/v1/media/" + kind + "/{}/{}" + "/{}" * len(more), server, media_id, *more)
        if query:
            target += "?" + urllib.parse.urlencode(query)
        return who.raw("GET", target, headers=headers)

    def refused(self, out, status, errcode):
        self.assertEqual((out.status, out.errcode), (status, errcode), out)
        return out


class Files(MediaCase):
    def test_what_was_uploaded_is_downloaded(self):
        u, other = self.users("u", "other")
        for data, type in ((b"Hello World!", "text/plain"), (png(3, 2), "image/png"), (b"", "text/plain"),
                           (bytes(range(256)) * 5000, "application/x-thing"), (b"x", "text/plain; charset=utf-8")):
            uri = self.upload(u, data, type)
            for who in (u, other):
                out = self.get(who, uri)
                self.assertEqual((out.status, out.data, out.headers["Content-Type"]), (200, data, type))
                self.assertEqual(int(out.headers["Content-Length"]), len(data))

    def test_names(self):
        u = self.user()
        for name, written in (("ascii", "inline; filename=ascii"), ("with space", 'inline; filename="with space"'),
                              ("a;b", 'inline; filename="a;b"'), ('q"u\\o', 'inline; filename="q\\"u\\\\o"'),
                              ("\U0001f414", "inline; filename*=utf-8''%F0%9F%90%94")):
            uri = self.upload(u, b"x", "text/plain", name)
            self.assertEqual(self.get(u, uri).headers["Content-Disposition"], written)
            self.assertEqual(self.get(u, uri, "☕").headers["Content-Disposition"],
                             "inline; filename*=utf-8''%E2%98%95")
        self.assertEqual(self.get(u, self.upload(u, b"x", "text/plain")).headers["Content-Disposition"], "inline")

    def test_no_name_breaks_a_header(self):
        u = self.user()
        for name in ("a\r\nX-Evil: 1", "a\nb", "a\x7fb", "a\x01"):
            out = u.raw("POST", "/_matrix/media/v3/upload?" + urllib.parse.urlencode({"filename": name}), b"x",
                        {"Content-Type": "text/html\x01"[:9]})
            if out.status == 200:
                got = self.get(u, out.json["content_uri"])
                self.assertNotIn("X-Evil", got.headers)
                self.assertNotRegex(got.headers["Content-Disposition"], r"[\x00-\x1f\x7f]")

    def test_headers_that_keep_a_file_from_acting(self):
        u = self.user()
        for type, shown in (("image/png", "inline"), ("text/plain", "inline"), ("video/mp4", "inline"),
                            ("text/html", "attachment"), ("image/svg+xml", "attachment"),
                            ("application/pdf", "attachment"), ("application/xhtml+xml", "attachment"),
                            ("nonsense", "attachment"), ("TEXT/PLAIN", "inline")):
            for kind in ("download",):
                out = self.get(u, self.upload(u, png(2, 2), type), kind=kind)
                self.assertEqual(out.headers["Content-Disposition"], shown, type)
                self.assertEqual(
                    out.headers["Content-Security-Policy"],
                    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
                    "style-src 'unsafe-inline'; object-src 'self';")
                self.assertEqual(out.headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(out.headers["Cross-Origin-Resource-Policy"], "cross-origin")
                self.assertEqual(out.headers["Access-Control-Allow-Origin"], "*")

    def test_ids_are_never_the_same(self):
        u = self.user()
        self.assertEqual(len({self.upload(u, b"same") for _ in range(20)}), 20)

    def test_a_token_is_needed(self):
        u = self.user()
        uri = self.upload(u, png(9, 9))
        nobody = Client(self.node)
        self.refused(self.get(nobody, uri), 401, "M_MISSING_TOKEN")
        self.refused(self.get(nobody, uri, kind="thumbnail", query={"width": 1, "height": 1}), 401, "M_MISSING_TOKEN")
        self.refused(nobody.raw("POST", "/_matrix/media/v3/upload", b"x"), 401, "M_MISSING_TOKEN")
        nobody.refused(401, "M_MISSING_TOKEN", "POST", "/_matrix/media/v1/create")
        nobody.refused(401, "M_MISSING_TOKEN", "GET", "/v1/media/config")

    def test_the_old_endpoints_serve_nothing(self):
        u = self.user()
        uri = self.upload(u, png(9, 9)).removeprefix("mxc://")
        for who in (u, Client(self.node)):
            for kind in ("download/" + uri, "download/" + uri + "/x.png", "thumbnail/" + uri + "?width=1&height=1"):
                self.refused(who.raw("GET", "/_matrix/media/v3/" + kind), 404, "M_NOT_FOUND")

    def test_what_is_not_there(self):
        u = self.user()
        server = u.user_id.split(":", 1)[1]
        self.refused(self.get(u, f"mxc://{server}/nothing"), 404, "M_NOT_FOUND")
        for server in ("..", ".", "a b", "a..b", "-", "xn--", "http:"):
            out = self.get(u, f"mxc://{server}/x", query={"timeout_ms": 0})
            self.assertIn(out.status, (400, 404, 502), server)
            self.assertNotEqual(out.status, 500)
        for server in ("..", ".", "a..b", "a b"):
            self.refused(self.get(u, f"mxc://{server}/x"), 400, "M_INVALID_PARAM")

    def test_another_server_is_not_asked_if_not_wanted(self):
        u = self.user()
        self.refused(self.get(u, "mxc://elsewhere.example/x", query={"allow_remote": "false"}), 404, "M_NOT_FOUND")

    def test_the_size(self):
        u = self.user()
        config = u.ok("GET", "/v1/media/config")
        self.assertEqual(u.ok("GET", "/_matrix/media/v3/config"), config)
        limit = config["m.upload.size"]
        headers = {"Content-Type": "text/plain", "Content-Length": str(limit + 1), "Authorization": "Bearer " + u.token}
        c = http.client.HTTPConnection("127.0.0.1", self.node.port)
        c.putrequest("POST", "/_matrix/media/v3/upload")
        for name, value in headers.items():
            c.putheader(name, value)
        c.endheaders()
        out = c.getresponse()  # at once, before any of the body
        self.assertEqual(out.status, 413)
        c.close()

    def test_clients_that_go_in_the_midst_harm_nobody(self):
        u = self.user()
        small, large = self.upload(u, b"x"), self.upload(u, bytes(3 << 20))
        for i in range(60):
            uri, wanted = (small, 1) if i % 2 else (large, (i * 60000) % (3 << 20))
            c = http.client.HTTPConnection("127.0.0.1", self.node.port)
            c.request("GET", path("/v1/media/download/{}/{}", *uri.removeprefix("mxc://").split("/")),
                      headers={"Authorization": "Bearer " + u.token})
            if i % 5:
                c.getresponse().read(wanted)
            c.sock and c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", i % 3 == 0, 0))
            c.close()
        u.ok("GET", "/v3/account/whoami")

    def test_parts_of_a_file(self):
        u = self.user()
        data = bytes(range(256)) * 1000
        uri = self.upload(u, data, "video/mp4")
        self.assertEqual(self.get(u, uri).headers["Accept-Ranges"], "bytes")
        n = len(data)
        for asked, first, end in (("bytes=0-0", 0, 1), ("bytes=1000-1999", 1000, 2000), ("bytes=255990-", 255990, n),
                                  ("bytes=-10", n - 10, n), ("bytes=100-99999999", 100, n), ("bytes=-999999999", 0, n)):
            out = self.get(u, uri, headers={"Range": asked})
            self.assertEqual((out.status, out.data), (206, data[first:end]), asked)
            self.assertEqual(out.headers["Content-Range"], f"bytes {first}-{end - 1}/{n}")
        for asked in (f"bytes={n}-", f"bytes={n + 5}-{n + 9}", "bytes=-0"):
            out = self.get(u, uri, headers={"Range": asked})
            self.assertEqual((out.status, out.headers.get("Content-Range")), (416, f"bytes */{n}"), asked)
        for asked in ("bytes=5-4", "bytes=a-b", "lines=0-1", "bytes=", "bytes=0-1,5-6", "bytes=-", "bytes 0-1",
                      "bytes=99999999999999999999-", "bytes=+1-2"):
            out = self.get(u, uri, headers={"Range": asked})
            self.assertEqual((out.status, out.data == data), (200, True), asked)


class Reserved(MediaCase):
    def create(self, u):
        out = u.ok("POST", "/_matrix/media/v1/create")
        self.assertGreater(out["unused_expires_at"], time.time() * 1000)
        return out["content_uri"]

    def fill(self, u, uri, data=b"later", type="text/plain"):
        return u.raw("PUT", "/_matrix/media/v3/upload/" + uri.removeprefix("mxc://"), data, {"Content-Type": type})

    def test_filled_and_downloaded(self):
        u = self.user()
        uri = self.create(u)
        self.refused(self.get(u, uri, query={"timeout_ms": 50}), 504, "M_NOT_YET_UPLOADED")
        self.assertEqual(self.fill(u, uri).status, 200)
        out = self.get(u, uri)
        self.assertEqual((out.data, out.headers["Content-Type"]), (b"later", "text/plain"))

    def test_a_download_waits_for_it(self):
        u, other = self.users("u", "other")
        uri = self.create(u)
        got = {}
        thread = threading.Thread(target=lambda: got.update(out=self.get(other, uri)))
        thread.start()
        time.sleep(0.3)
        self.fill(u, uri)
        thread.join(10)
        self.assertEqual(got["out"].data, b"later")

    def test_once_and_by_its_maker_alone(self):
        u, other = self.users("u", "other")
        uri = self.create(u)
        self.refused(self.fill(other, uri), 403, "M_FORBIDDEN")
        self.assertEqual(self.fill(u, uri).status, 200)
        self.refused(self.fill(u, uri), 409, "M_CANNOT_OVERWRITE_MEDIA")
        self.refused(self.fill(u, self.upload(u, b"x")), 409, "M_CANNOT_OVERWRITE_MEDIA")
        server = uri.removeprefix("mxc://").split("/")[0]
        self.refused(self.fill(u, f"mxc://{server}/nothing"), 404, "M_NOT_FOUND")
        self.refused(self.fill(u, "mxc://elsewhere.example/x"), 404, "M_NOT_FOUND")

    def test_at_most_a_hundred_wait(self):
        u = self.user()
        made = [self.create(u) for _ in range(100)]
        u.refused(429, "M_LIMIT_EXCEEDED", "POST", "/_matrix/media/v1/create")
        self.fill(u, made[0])
        self.create(u)


class Thumbnails(MediaCase):
    def thumbnail(self, who, uri, width, height, **query):
        return self.get(who, uri, kind="thumbnail", query={"width": width, "height": height, **query})

    def test_scaled_and_cropped(self):
        u = self.user()
        uri = self.upload(u, png(400, 200))
        for method, width, height, size in (("scale", 32, 32, (32, 16)), ("crop", 32, 32, (32, 32)),
                                            ("scale", 100, 10, None), ("crop", 96, 96, (96, 96))):
            out = self.thumbnail(u, uri, width, height, method=method)
            self.assertEqual(out.status, 200, out)
            self.assertIn(out.headers["Content-Type"], ("image/png", "image/jpeg"))
            self.assertEqual(out.headers["Content-Disposition"].split(";")[0], "inline")
            if size:
                self.assertEqual(size_of(out.data), size)

    def test_never_larger_than_the_picture(self):
        u = self.user()
        out = self.thumbnail(u, self.upload(u, png(10, 10)), 500, 500)
        self.assertEqual(size_of(out.data), (10, 10))

    def test_what_is_no_picture(self):
        u = self.user()
        for data, type in ((b"hello", "text/plain"), (b"hello", "image/png"), (b"<svg/>", "image/svg+xml"),
                           (png(5, 5)[:40], "image/png"), (b"%PDF-1.4", "application/pdf"), (b"", "image/png")):
            self.refused(self.thumbnail(u, self.upload(u, data, type), 32, 32), 400, "M_UNKNOWN")

    def test_bombs_are_refused_and_the_node_stays(self):
        u = self.user()

        def chunk(name, data):
            return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

        def bomb(width, height, rows):
            packed = zlib.compressobj(9)
            body = b"".join(packed.compress(b"\0" * (1 << 20)) for _ in range(rows)) + packed.flush()
            return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)) +
                    chunk(b"IDAT", body) + chunk(b"IEND", b""))
        for data in (bomb(10001, 1, 1), bomb(1, 10001, 1), bomb(9000, 9000, 4), bomb(2**31 - 1, 2**31 - 1, 1),
                     bomb(0, 0, 1), bomb(100, 100, 300)):
            out = self.thumbnail(u, self.upload(u, data), 32, 32)
            self.assertIn(out.status, (200, 400, 413), out)
            u.ok("GET", "/v3/account/whoami")
        # The worker is there for the next.
        self.assertEqual(self.thumbnail(u, self.upload(u, png(40, 40)), 32, 32).status, 200)

    def test_refusals(self):
        u = self.user()
        uri = self.upload(u, png(9, 9))
        for query in ({"width": 0}, {"height": -1}, {"width": "x"}, {"method": "stretch"}, {"animated": "maybe"}):
            out = self.get(u, uri, kind="thumbnail", query={"width": 8, "height": 8, **query})
            self.refused(out, 400, "M_INVALID_PARAM")
        self.assertIn(self.get(u, uri, kind="thumbnail").errcode, ("M_INVALID_PARAM", "M_MISSING_PARAM"))
        server = uri.removeprefix("mxc://").split("/")[0]
        self.refused(self.thumbnail(u, f"mxc://{server}/nothing", 8, 8), 404, "M_NOT_FOUND")
