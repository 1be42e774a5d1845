import os
from pathlib import Path
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import SettingError
from pop3svc.operations import auditfile
from pop3svc.operations.auditfile import AuditFile


class AuditFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.clock = Clock()
        self.wall = 1_800_000_000.0625

    def make(self) -> AuditFile:
        return AuditFile(str(self.path), self.clock, lambda: self.wall)

    def test_batches(self) -> None:
        """Lines wait for each other, and leave in one call."""
        file = self.make()
        with mock.patch.object(os, "write", wraps=os.write) as write:
            file.write("one")
            file.write("two")
            self.assertEqual(self.path.read_bytes(), b"")
            self.clock.advance(0.1)
            self.assertEqual(self.path.read_bytes(), b"one\ntwo\n")
            file.write("three")
            file.close()
            self.assertEqual(write.call_count, 2)
        self.assertEqual(self.path.read_bytes(), b"one\ntwo\nthree\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sharedPipe(self) -> None:
        """Workers write into it, too: each call is of whole lines that go out whole."""
        ours, theirs = os.pipe()
        file = AuditFile("-", self.clock, lambda: self.wall, descriptor=theirs)
        lines = [f"{number} " + "x" * 900 for number in range(20)]
        with mock.patch.object(os, "write", wraps=os.write) as write:
            for each in lines:
                file.write(each)
            self.clock.advance(0.1)
        pieces = [bytes(call.args[1]) for call in write.call_args_list]
        self.assertEqual({each[-1:] for each in pieces}, {b"\n"})
        self.assertLessEqual(max(map(len, pieces)), 4096)
        file.close()
        with open(ours, "rb") as pipe:
            self.assertEqual(pipe.read().decode().splitlines(), lines)

    def test_private(self) -> None:
        """It names users and addresses."""
        self.make().close()
        self.assertEqual(self.path.stat().st_mode & 0o137, 0)

    def test_appended(self) -> None:
        self.path.write_bytes(b"before\n")
        file = self.make()
        file.write("after")
        file.close()
        self.assertEqual(self.path.read_bytes(), b"before\nafter\n")

    def test_time(self) -> None:
        file = self.make()
        self.assertEqual(file.time(), "2027-01-15T08:00:00.062Z")
        self.wall += 0.5
        self.assertEqual(file.time(), "2027-01-15T08:00:00.562Z")
        self.wall += 0.5
        self.assertEqual(file.time(), "2027-01-15T08:00:01.062Z")
        file.close()

    def test_rotated(self) -> None:
        """What was written before the file was moved away stays with it."""
        file = self.make()
        file.write("old")
        moved = self.path.with_suffix(".1")
        self.path.rename(moved)
        file.reopen()
        file.write("new")
        file.close()
        self.assertEqual((moved.read_bytes(), self.path.read_bytes()), (b"old\n", b"new\n"))

    def test_standardOutputStays(self) -> None:
        """A worker has inherited it; its own is a pipe to its parent."""
        ours, theirs = os.pipe()
        file = AuditFile("-", self.clock, lambda: self.wall, descriptor=theirs)
        file.write("old")
        file.reopen()
        file.write("new")
        file.close()
        with open(ours, "rb") as pipe:
            self.assertEqual(pipe.read(), b"old\nnew\n")

    def test_cannotBeReopened(self) -> None:
        file = self.make()
        self.path.unlink()
        self.path.mkdir()
        self.assertRaises(SettingError, file.reopen)
        file.write("goes on")
        file.close()

    def test_unwritable(self) -> None:
        self.path.mkdir()
        error = self.assertRaises(SettingError, self.make)
        self.assertEqual(
            str(error),
            f"cannot write to {self.path}: Is a directory; let the service's user write there,"
            " or name another --audit-log",
        )

    def test_handedOver(self) -> None:
        """A file of its own is, a device is not, and another name of a file is a trick."""
        with mock.patch.object(os, "fchown") as fchown:
            file = self.make()
            file.handOver(1000, None)
            fchown.assert_called_once_with(mock.ANY, 1000, -1)
            file.close()
            device = AuditFile("/dev/null", self.clock)
            device.handOver(1000, 1000)
            device.close()
            os.link(self.path, self.path.with_suffix(".2"))
            file = self.make()
            error = self.assertRaises(SettingError, file.handOver, 1000, 1000)
            self.assertIn(f"{self.path} is a hard link", str(error))
            file.close()
            fchown.assert_called_once()

    def test_nobodyReads(self) -> None:
        """A FIFO holds up nobody: neither the start nor, after a rotation, the service."""
        file = self.make()
        self.path.unlink()
        os.mkfifo(self.path)
        self.assertRaises(SettingError, file.reopen)
        file.close()

    def test_fullDisk(self) -> None:
        """Nothing is lost up to a bound; one line of twistd's log tells of it."""
        file = self.make()
        full = OSError(28, "No space left on device")
        with mock.patch.object(os, "write", side_effect=full):
            for count in range(3):
                file.write(f"line {count}")
                self.clock.advance(1)
            self.assertEqual(self.path.read_bytes(), b"")
            self.patch(auditfile, "_HELD_OCTETS", 30)
            file.write("line 3")
            file.write("line 4, one too many")
        self.assertEqual(file.lost, 1)
        self.clock.advance(1)
        self.assertEqual(self.path.read_bytes(), b"line 0\nline 1\nline 2\nline 3\n")
        file.close()

    def test_partOfIt(self) -> None:
        """The kernel may take less than it is given."""
        file = self.make()

        def few(descriptor: int, octets: bytes) -> int:
            return os.pwrite(descriptor, octets[:4], 0)

        with mock.patch.object(os, "write", side_effect=few):
            file.write("0123456789")
            self.clock.advance(0.1)
        self.assertEqual(self.path.read_bytes(), b"0123456789\n")
        file.close()
