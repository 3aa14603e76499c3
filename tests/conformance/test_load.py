"""Many at once: password hashes are bounded and cost everyone else nothing (security.md T2, M3)."""
import os
import pathlib
import signal
import threading
import time

from client import Case, Client, Node
from test_accounts import login_body
from test_media import MediaCase, png


class GoodHashes(Node):
    """A node that hashes passwords as it does for people."""

    extra = ["--password-cost", "default"]


class Logins(Case):
    def setUp(self):
        self.own = GoodHashes(self.program)
        self.addCleanup(self.own.remove)
        self.own.start()
        self.u = self.own.user()

    def test_two_are_hashed_sixteen_wait_and_the_rest_are_told_to_come_again(self):
        n = 40
        answers, go = [], threading.Barrier(n + 1)

        def login(i):
            c = Client(self.own)
            c.raw("GET", "/_matrix/client/versions")
            go.wait()
            name = self.u.user_id if i % 2 else f"nobody{i}"
            answers.append(c.call("POST", "/v3/login", body=login_body(name, "wrong"), timeout=120))
        threads = [threading.Thread(target=login, args=(i,)) for i in range(n)]
        for t in threads:
            t.start()
        go.wait()
        took, since = [], time.monotonic()
        while any(t.is_alive() for t in threads):
            began = time.monotonic()
            self.u.ok("GET", "/v3/account/whoami")
            took.append(time.monotonic() - began)
            time.sleep(0.01)
        elapsed = time.monotonic() - since
        for t in threads:
            t.join()
        refused = [a for a in answers if a.status == 429]
        hashed = len(answers) - len(refused)
        self.assertGreaterEqual(hashed, 18)
        self.assertGreater(len(refused), 0)
        for a in refused:
            self.assertEqual(a.errcode, "M_LIMIT_EXCEEDED")
            self.assertGreater(int(a.headers["Retry-After"]), 0)
        for a in answers:
            if a.status != 429:
                self.assertEqual((a.status, a.errcode), (403, "M_FORBIDDEN"))
        took.sort()
        one = 2 * elapsed / hashed  # the time of one hash, as busy as this machine is
        self.assertLess(took[len(took) // 2], one / 2, took)

    def test_who_is_not_there_costs_as_much(self):
        """In work, which a busy machine doesn't change: the processor's time of the node."""
        def cpu():
            fields = pathlib.Path(f"/proc/{self.own.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        def cost(name):
            before = cpu()
            for _ in range(12):
                Client(self.own).refused(403, "M_FORBIDDEN", "POST", "/v3/login", body=login_body(name, "wrong"))
            return cpu() - before
        known, unknown = cost(self.u.user_id), cost("nobody-here")
        self.assertGreater(known, 0.1)
        self.assertLess(abs(known - unknown), 0.35 * max(known, unknown), (known, unknown))


class ThumbnailWorker(MediaCase):
    def children(self):
        pid = self.own.process.pid
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def test_the_node_outlives_it(self):
        self.own = self.new_node()
        u = self.own.user()
        uri = self.upload(u, png(100, 100))
        self.assertEqual(self.get(u, uri, kind="thumbnail", query={"width": 32, "height": 32}).status, 200)
        helpers = self.children()
        self.assertEqual(len(helpers), 1)
        os.kill(helpers[0], signal.SIGKILL)
        time.sleep(0.2)
        for size in (40, 50):
            out = self.get(u, uri, kind="thumbnail", query={"width": size * 5, "height": size * 5})
            self.assertNotEqual(out.status, 500, out)
        u.ok("GET", "/v3/account/whoami")
        self.assertEqual(self.get(u, uri).status, 200)
