"""Bytes of HTTP that no honest client sends (security.md H1, H2, L1)."""
import re
import socket

from client import Case, Client

GET = b"GET /_matrix/client/versions HTTP/1.1\r\n"
POST = b"POST /_matrix/client/v3/login HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
# What a proxy in front of us might take for the body of the request before it.
SMUGGLED = b"GET /_matrix/client/v3/login HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Http(Case):
    def say(self, data, answers=0):
        """The statuses of this many answers to these bytes; 0: of all until the server closes.
        Our side stays open: an answer may wait for the disk, and nobody waits for a client that left."""
        got, statuses = b"", []
        with socket.create_connection(("127.0.0.1", self.node.port), timeout=40) as s:
            s.sendall(data)
            r = s.makefile("rb")
            while not answers or len(statuses) < answers:
                try:
                    if not (line := r.readline()):
                        break
                    head = b""
                    while line.strip():
                        head += line
                        line = r.readline()
                    length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
                    got += head + line + r.read(int(length[1]) if length else 0)
                except ConnectionResetError:
                    break
                self.assertTrue(head.startswith(b"HTTP/1.1 "), head)
                statuses.append(int(head[9:12]))
        return statuses, got

    def test_what_could_be_read_in_two_ways_is_refused_and_nothing_after_it_served(self):
        corpus = [
            POST + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            POST + HOST + b"Content-Length: 2, 2\r\n\r\n{}",
            POST + HOST + b"Content-Length: +2\r\n\r\n{}",
            POST + HOST + b"Content-Length: -1\r\n\r\n",
            POST + HOST + b"Content-Length: 0x2\r\n\r\n{}",
            POST + HOST + b"Content-Length: 2 2\r\n\r\n{}",
            POST + HOST + b"Content-Length:\r\n\r\n",
            POST + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
            POST + HOST + b"Content-Length : 2\r\n\r\n{}",
            POST + HOST + b" Content-Length: 2\r\n\r\n{}",
            POST + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
            POST + HOST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}X0\r\n\r\n",
            POST + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
            GET + HOST + HOST + b"\r\n",
            GET + b"Host: localhost\r\nhost: example.org\r\n\r\n",
            GET + b"\r\n",
            GET + HOST + b"X\0Y: 1\r\n\r\n",
            GET + HOST + b"X: a\0b\r\n\r\n",
            GET + HOST + b": nameless\r\n\r\n",
            GET + HOST + b"no colon\r\n\r\n",
            GET + HOST + b"X: a\rb\r\n\r\n",
            b"GET /_matrix/client/versions\r\n" + HOST + b"\r\n",
            b"GET  /_matrix/client/versions HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET /_matrix/client/versions HTTP/1.1 x\r\n" + HOST + b"\r\n",
            b"GET /_matrix/client/\0versions HTTP/1.1\r\n" + HOST + b"\r\n",
            b"G\x01T / HTTP/1.1\r\n" + HOST + b"\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
        ]
        for data in corpus:
            statuses, got = self.say(data + SMUGGLED)
            self.assertEqual(len(statuses), 1, (data, got))
            self.assertEqual(statuses[0], 400, (data, got))
            self.assertIn(b"\r\nconnection: close\r\n", got.lower(), data)
            self.assertIn(b"Access-Control-Allow-Origin: *", got, data)
        self.assertEqual(self.say(GET + HOST + b"\r\n" + SMUGGLED, 2)[0], [200, 200])

    def test_limits_at_their_edges(self):
        def line(n):
            head = b"GET /_matrix/client/versions?"
            return head + b"a" * (n - len(head) - len(b" HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"
        self.assertEqual(self.say(line(8000) + HOST + b"\r\n", 1)[0], [200])
        self.assertEqual(self.say(line(8300) + HOST + b"\r\n", 1)[0], [414])
        for n, status in ((60, 200), (70, 431)):
            self.assertEqual(self.say(GET + HOST + b"X: y\r\n" * n + b"\r\n", 1)[0], [status], n)
        for n, status in ((15500, 200), (16500, 431)):
            self.assertEqual(self.say(GET + HOST + b"X: " + b"y" * n + b"\r\n\r\n", 1)[0], [status], n)
        self.assertEqual(self.say(POST + HOST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 1)[0], [415])

    def test_sizes_of_bodies_at_their_edges(self):
        u = self.user()
        pad = b" " * (2 << 20)
        for target, limit in (("/_matrix/client/v3/createRoom", 1 << 20),
                              (f"/_matrix/client/v3/user/{u.user_id}/filter", 64 << 10)):
            self.assertEqual(u.raw("POST", target, b"{}" + pad[:limit - 2]).status, 200, target)
            out = u.raw("POST", target, b"{}" + pad[:limit - 1])
            self.assertEqual((out.status, out.errcode), (413, "M_TOO_LARGE"), target)
        room = u.create_room()
        for n, status in (((68 << 10) - 2, 200), ((68 << 10) - 1, 413)):
            out = u.raw("PUT", f"/_matrix/client/v3/rooms/{room}/send/my.type/t{n}", b"{}" + pad[:n])
            self.assertEqual(out.status, status, n)

    def test_hosts_that_are_not_ours(self):
        for host in (b"example.org", b"localhost.example.org", b"example.org:8008", b"127.0.0.1.nip.io",
                     b"localhost@example.org", b"notlocalhost", b"127.0.0.2.example", b"[::2]"):
            for request in (GET, POST, b"POST /_matrix/client/v3/register HTTP/1.1\r\n", b"OPTIONS / HTTP/1.1\r\n"):
                statuses, got = self.say(request + b"Host: " + host + b"\r\n\r\n", 1)
                self.assertIn(statuses, ([421], [400]), (host, got))
                self.assertIn(b"errcode", got)
        for host in (b"localhost", b"LOCALHOST:1", b"127.0.0.1", b"[::1]:8008"):
            self.assertEqual(self.say(GET + b"Host: " + host + b"\r\n\r\n", 1)[0], [200], host)

    def test_pages_may_not_send_what_needs_no_preflight(self):
        for type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            for from_page in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                out = Client(self.node).raw("POST", "/_matrix/client/v3/login", b"{}",
                                            {"Content-Type": type, **from_page})
                self.assertIn(out.status, (400, 403, 415), (type, out))
                self.assertNotIn("flows", out.json)
