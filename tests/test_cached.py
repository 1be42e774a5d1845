"""L{pop3svc.maildrops.cached}: opening without waiting."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pop3svc.maildrops import cached
from pop3svc.maildrops.cached import LocalDevices, openCached, openCachedBelow

_READ = os.O_RDONLY | os.O_CLOEXEC
_TRIES = 100


class OpenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        (self.root / "box" / "new").mkdir(parents=True)
        (self.root / "box" / "new" / "mail").write_bytes(b"mail\n")
        (self.root / "link").symlink_to(self.root / "box")
        (self.root / "box" / "away").symlink_to(self.root / "box" / "new")
        self.box = self.open(bytes(self.root / "box"))

    def open(self, path: bytes, below: int | None = None) -> int:
        for _ in range(_TRIES):
            try:
                opened = (
                    openCached(path, _READ)
                    if below is None
                    else openCachedBelow(below, path, _READ)
                )
                break
            except BlockingIOError:
                # Whatever else happens on the machine may get in the kernel's way.
                continue
            except OSError as error:
                if error.errno in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
                    raise SkipTest("this kernel has no openat2, or a filter forbids it") from error
                raise
        else:
            self.fail("the kernel says each time that it would have to wait")
        self.addCleanup(os.close, opened)
        return opened

    def codeOf(self, path: bytes) -> int | None:
        with self.assertRaises(OSError) as raised:
            openCachedBelow(self.box, path, _READ)
        return raised.exception.errno

    def test_opens(self) -> None:
        """What was used just now is in memory; links are followed in an absolute path."""
        self.assertEqual(os.read(self.open(b"new/mail", self.box), 10), b"mail\n")
        link = self.open(bytes(self.root / "link"))
        self.assertEqual(os.fstat(link).st_ino, (self.root / "box").stat().st_ino)
        self.assertFalse(os.get_inheritable(link))

    def test_noWayOut(self) -> None:
        """Below a directory: no link, and nothing above it."""
        self.assertEqual(self.codeOf(b"away"), errno.ELOOP)
        self.assertEqual(self.codeOf(b"away/mail"), errno.ELOOP)
        # Kernels may find it easier to say that it cannot be told in memory.
        self.assertIn(self.codeOf(b"../link"), (errno.EXDEV, errno.EAGAIN))
        self.assertIn(self.codeOf(bytes(self.root)), (errno.EXDEV, errno.EAGAIN))

    def test_otherMounts(self) -> None:
        """Another file system may be one that waits for others."""
        root = self.open(b"/")
        (self.root / "box").stat()
        os.stat("/proc/self")
        with self.assertRaises(OSError) as raised:
            openCachedBelow(root, b"proc/self/status", _READ)
        self.assertIn(raised.exception.errno, (errno.EXDEV, errno.EAGAIN))
        self.open(b"/proc")
        os.close(openCachedBelow(root, b"proc", _READ, mounts=True))

    def test_notInMemory(self) -> None:
        """A name that the kernel does not know yet is not looked up on the disk."""
        names = [b"%d" % number for number in range(20)]
        self.assertEqual({self.codeOf(b"new/" + name) for name in names}, {errno.EAGAIN})
        for name in names:
            self.assertFalse((self.root / "box" / "new" / os.fsdecode(name)).exists())
        self.assertEqual({self.codeOf(b"new/" + name) for name in names}, {errno.ENOENT})


class DeviceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.devices = LocalDevices()
        self.descriptor = os.open(".", os.O_RDONLY)
        self.addCleanup(os.close, self.descriptor)
        self.device = os.fstat(self.descriptor).st_dev

    def learnHere(self) -> None:
        """That the working directory is of this machine, whatever it is."""
        kind = self.kindHere()
        self.patch(cached, "_LOCAL_TYPES", {kind})
        self.devices.knows(self.device)
        self.assertTrue(self.devices.learn(self.descriptor))

    def kindHere(self) -> int:
        kinds: set[int] = set()

        class Spy(set[int]):
            def __contains__(self, kind: object) -> bool:
                assert isinstance(kind, int)
                kinds.add(kind)
                return False

        with_ = self.patch(cached, "_LOCAL_TYPES", Spy())
        self.assertFalse(self.devices.learn(self.descriptor))
        with_.restore()
        return kinds.pop()

    def test_learned(self) -> None:
        """One must have been asked about in a thread, and be of a known type."""
        self.assertFalse(self.devices.knows(self.device))
        self.learnHere()
        self.assertTrue(self.devices.knows(self.device))
        self.assertFalse(self.devices.knows(self.device + 1))

    def test_unknownType(self) -> None:
        """Nobody can tell whether it would wait: NFS, FUSE, overlays, and /proc here."""
        proc = os.open("/proc", os.O_RDONLY)
        self.addCleanup(os.close, proc)
        self.devices.knows(0)
        self.assertFalse(self.devices.learn(proc))
        self.assertFalse(self.devices.knows(os.fstat(proc).st_dev))
        self.assertFalse(self.devices.learn(-1))

    def test_mountsChanged(self) -> None:
        """Then the same number may be another file system's."""
        self.learnHere()
        polls: list[Any] = [[], [(3, select.POLLPRI | select.POLLERR)], []]

        class Mounts:
            def poll(self, timeout: int) -> Any:
                return polls.pop(0)

        self.patch(self.devices, "_mounts", Mounts())
        self.assertTrue(self.devices.knows(self.device))
        self.assertFalse(self.devices.knows(self.device))
        self.assertFalse(self.devices.knows(self.device))

    def test_changedWhileLearning(self) -> None:
        """What was found out of the mounts before does not count any more."""
        self.learnHere()
        fstatfs = cached._fstatfs

        def change(*args: Any) -> Any:
            answer = fstatfs(*args)
            self.patch(self.devices, "_haveMountsChanged", lambda: True)
            self.assertFalse(self.devices.knows(self.device))
            return answer

        self.patch(cached, "_fstatfs", change)
        self.devices.learn(self.descriptor)
        self.patch(self.devices, "_haveMountsChanged", lambda: False)
        self.assertFalse(self.devices.knows(self.device))

    def test_noTableOfMounts(self) -> None:
        """Where changes cannot be seen, nothing is believed."""

        def refuse(*args: Any) -> int:
            raise FileNotFoundError

        self.learnHere()
        self.patch(self.devices, "_mounts", None)
        self.patch(os, "open", refuse)
        self.assertFalse(self.devices.knows(self.device))
        self.assertTrue(self.devices.learn(self.descriptor))
        self.assertFalse(self.devices.knows(self.device))
