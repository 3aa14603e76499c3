"""A real node over a disk that fails on demand and whose every change is recorded (disk_shim.c)."""
import mmap
import os
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from servers import Kith  # noqa: E402

OPEN, READ, WRITE, TRUNCATE, SYNC, NAME, MAKE = 1, 2, 4, 8, 16, 32, 64


class ShimmedKith(Kith):
    def __init__(self, dir, program, shim, trace=False):
        super().__init__(dir, program)
        self.shim = shim
        self.trace = self.dir / "trace" if trace else None
        control = self.dir / "control"
        control.write_bytes(bytes(24))
        self.file = open(control, "r+b")
        self.control = mmap.mmap(self.file.fileno(), 24)

    def environment(self):
        e = dict(os.environ, LD_PRELOAD=str(self.shim), DISK_SHIM_DIR=str(self.dir / "data"),
                 DISK_SHIM_CONTROL=str(self.dir / "control"))
        e["ASAN_OPTIONS"] = e.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        if self.trace:
            e["DISK_SHIM_TRACE"] = str(self.trace)
        return e

    def fail(self, ops, error, after=1, once=False):
        """The after-th of these calls from now on fails, and unless once all that follow."""
        self.control[0:4] = bytes(4)  # none while the rest is written
        self.control[4:24] = struct.pack("<5I", after, error, once, 0, 0)
        self.control[0:4] = struct.pack("<I", ops)

    def heal(self):
        self.control[0:4] = bytes(4)

    def hits(self):
        return struct.unpack("<I", self.control[16:20])[0]

    def traced(self):
        """How much is recorded: what a client was told by now may rest on no more than that."""
        return os.stat(self.trace).st_size if self.trace else 0


# The kinds of a record, as in disk_shim.c.
MADE, WRITTEN, CUT, SYNC_BEGINS, SYNCED, RENAMED, GONE, FOLDER = range(1, 9)
HEAD = struct.Struct("<4I2Q")
SECTOR = 512


class File:
    def __init__(self):
        self.synced = bytearray()
        self.pending = []  # (number, offset, bytes), or (number, length, None) for a truncation


def put_at(data, at, piece):
    if len(data) < at:
        data.extend(bytes(at - len(data)))
    data[at:at + len(piece)] = piece


def apply(data, at, piece):
    if piece is None:
        del data[at:]
        data.extend(bytes(at - len(data)))
    else:
        put_at(data, at, piece)


class Disk:
    """What a record did to files and folders, and what of it a power cut may leave: contents and
    names as they were last synced, and of what came since any part."""

    def __init__(self, root):
        self.root = str(root)
        self.files = {}
        self.names = {}    # path -> inode, or None for a folder: as the process sees it
        self.durable = {}  # the same, as synced
        self.changes = {}  # folder -> [(number, path, inode or None, is there)] since its last sync
        self.syncs = {}    # number -> how many changes it covers
        self.n = 0         # changes so far

    def change(self, path, inode, there):
        self.settle(self.names, path, inode, there)
        self.n += 1
        self.changes.setdefault(os.path.dirname(path), []).append((self.n, path, inode, there))

    def take(self, kind, inode, at, path, path2, data):
        if kind == MADE:
            self.files[inode] = File()
            self.change(path, inode, True)
        elif kind in (WRITTEN, CUT):
            self.n += 1
            self.files.setdefault(inode, File()).pending.append(
                (self.n, at, bytes(data) if kind == WRITTEN else None))
        elif kind == SYNC_BEGINS:
            self.syncs[at] = self.n
        elif kind == SYNCED and path:
            upto = self.syncs.pop(at)
            changes = self.changes.get(path, [])
            while changes and changes[0][0] <= upto:
                self.settle(self.durable, *changes.pop(0)[1:])
        elif kind == SYNCED:
            upto = self.syncs.pop(at)
            f = self.files.get(inode, File())
            while f.pending and f.pending[0][0] <= upto:
                apply(f.synced, *f.pending.pop(0)[1:])
        elif kind == RENAMED:
            self.change(path2, self.names.get(path), True)
            self.change(path, self.names.get(path), False)
        elif kind == GONE:
            self.change(path, self.names.get(path), False)
        elif kind == FOLDER:
            self.change(path, None, True)

    @staticmethod
    def settle(names, path, inode, there):
        if there:
            names[path] = inode
        else:
            names.pop(path, None)

    def image(self, into, rng):
        """Writes what may be on disk if the power goes now."""
        names = dict(self.durable)
        for changes in self.changes.values():
            for c in changes[:rng.randint(0, len(changes))]:
                self.settle(names, *c[1:])
        for path in sorted(names):  # folders come before what is in them
            to = pathlib.Path(str(into) + path[len(self.root):])
            if not to.parent.is_dir() or path.endswith("-shm"):
                continue
            if names[path] is None:
                to.mkdir(mode=0o700, exist_ok=True)
                continue
            to.write_bytes(self.contents(self.files[names[path]], rng))
            to.chmod(0o600)

    @staticmethod
    def contents(f, rng):
        data = bytearray(f.synced)
        if rng.random() < 0.2:
            return data
        chosen = {}  # sector -> how many of the pending writes reached it
        n = len(f.pending)
        all_of_them = rng.random() < 0.2
        for i, (_, at, piece) in enumerate(f.pending):
            if piece is None:
                if all_of_them or rng.random() < 0.5:
                    apply(data, at, piece)
                continue
            for start in range(at - at % SECTOR, at + len(piece), SECTOR):
                upto = n if all_of_them else chosen.setdefault(
                    start, rng.choice((0, n, rng.randint(0, n))))
                if i < upto:
                    a, b = max(start, at), min(start + SECTOR, at + len(piece))
                    put_at(data, a, piece[a - at:b - at])
        if len(data) > len(f.synced) and rng.random() < 0.3:
            del data[rng.randint(len(f.synced), len(data)):]
        return data


def records(trace):
    """(where it ends, kind, inode, at, path, path2, bytes) of each record."""
    data = memoryview(pathlib.Path(trace).read_bytes())
    at = 0
    while at + HEAD.size <= len(data):
        kind, n1, n2, n3, inode, where = HEAD.unpack_from(data, at)
        a = at + HEAD.size
        b, c, at = a + n1, a + n1 + n2, a + n1 + n2 + n3
        if at > len(data):
            return  # cut short by the kill
        yield at, kind, inode, where, str(data[a:b], "utf8"), str(data[b:c], "utf8"), data[c:at]
