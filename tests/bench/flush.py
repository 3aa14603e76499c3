"""A lone durable send beside the bare flush of as much to the same disk, in turns: what the server adds to it."""
import os
import statistics
import time

SEND_BYTES = 9 * 1048  # what the store writes to its log for a message alone: nine frames
FILE_BYTES = 256 * 1024  # written over and over, as the log is


class BareFlush:
    """A file of its own beside the server's, which has its blocks already."""

    def __init__(self, dir):
        self.path = dir / "bare-flush"
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.pwrite(self.fd, bytes(FILE_BYTES), 0)
        os.fsync(self.fd)
        self.at = 0

    def __call__(self):
        os.pwrite(self.fd, os.urandom(SEND_BYTES), self.at)
        began = time.perf_counter()
        os.fdatasync(self.fd)
        self.at = (self.at + SEND_BYTES) % (FILE_BYTES - SEND_BYTES)
        return time.perf_counter() - began

    def close(self):
        os.close(self.fd)
        self.path.unlink()


def send_beside_flush(server, alice, room, n):
    """Medians in milliseconds of n sends and n bare flushes, and of the difference of neighbours."""
    flush = BareFlush(server.dir)
    sends, flushes = [], []
    for _ in range(n):
        began = time.perf_counter()
        alice.send(room, f"f{time.time_ns()}")
        sends.append(time.perf_counter() - began)
        flushes.append(flush())
    flush.close()
    beyond = [s - f for s, f in zip(sends, flushes)]
    return {
        "median_ms": statistics.median(sends) * 1000,
        "flush_ms": statistics.median(flushes) * 1000,
        "beyond_ms": statistics.median(beyond) * 1000,
    }
