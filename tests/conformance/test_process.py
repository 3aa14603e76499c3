"""The process itself: what it gave up (security.md K2, P3) and that it runs on like that.

All other tests of this suite run under the same confinement.
"""
import pathlib
import re

from client import Case


class Process(Case):
    def file(self, name):
        return pathlib.Path(f"/proc/{self.node.process.pid}/{name}").read_text()

    def status(self, name):
        found = re.search(rf"^{name}:\s*(\S+)", self.file("status"), re.MULTILINE)
        return found and found.group(1)

    def test_it_is_confined(self):
        self.assertEqual(self.status("NoNewPrivs"), "1")
        if "confined" not in self.node.log():  # the node says so where the kernel can't
            self.assertEqual(self.status("Seccomp"), "2")
            threads = pathlib.Path(f"/proc/{self.node.process.pid}/task").iterdir()
            for thread in threads:
                self.assertRegex((thread / "status").read_text(), r"Seccomp:\s*2", thread)

    def test_it_leaves_no_core(self):
        self.assertRegex(self.file("limits"), r"Max core file size\s+0\s+0\s")

    def test_it_can_be_started_on_what_it_made(self):
        node = self.new_node()
        u = node.user()
        room = u.create_room()
        node.restart()
        u.close()
        u.send(room, "after")
        node.command("check")
