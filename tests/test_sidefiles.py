"""L{pop3svc.maildrops.sidefiles}: our small files, where others may write too."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import SettingError
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.opened import NewFile
from pop3svc.maildrops.sidefiles import SideFiles, SidePlaces, _key


class SideFilesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir()
        self.directory = Directory(os.open(self.path, os.O_RDONLY))
        self.addCleanup(self.directory.close)
        self.files = SideFiles(self.directory)

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()}


class SideFilesTests(SideFilesTestCase):
    def test_writeAndRead(self) -> None:
        self.assertIsNone(self.files.read(b"a"))
        self.assertIsNone(self.files.stamp(b"a"))
        for octets in (b"one", b"", b"x" * 300_000):
            for durable in (True, False):
                self.files.write(b"a", octets, durable)
                self.assertEqual(self.files.read(b"a"), octets)
        self.assertEqual(self.names(), {"a"})
        self.assertEqual((self.path / "a").stat().st_mode & 0o777, 0o600)

    def test_bound(self) -> None:
        """What is too large is not read, whatever its owner makes of it."""
        self.files.write(b"a", b"1234", False)
        self.assertEqual(self.files.read(b"a", 4), b"1234")
        with self.assertRaises(OSError) as caught:
            self.files.read(b"a", 3)
        self.assertEqual(caught.exception.errno, errno.EFBIG)

    def test_stamp(self) -> None:
        self.files.write(b"a", b"1234", False)
        stamp = self.files.stamp(b"a")
        self.assertEqual(self.files.stamp(b"a"), stamp)
        self.files.write(b"a", b"1234", False)
        self.assertNotEqual(self.files.stamp(b"a"), stamp)

    def test_remove(self) -> None:
        self.files.write(b"a", b"1", False)
        self.files.remove(b"a", True)
        self.files.remove(b"a", True)
        self.assertEqual(self.names(), set())

    def test_order(self) -> None:
        """What must outlive a power cut is on the disk before it has its name."""
        calls: list[str] = []
        for owner, name in [(NewFile, "sync"), (Directory, "rename"), (Directory, "sync")]:
            called = getattr(owner, name)

            def noting(*args: object, called=called, label=f"{owner.__name__}.{name}") -> object:
                calls.append(label)
                return called(*args)

            self.patch(owner, name, noting)
        self.files.write(b"a", b"1", True)
        self.files.remove(b"a", True)
        self.assertEqual(
            calls, ["NewFile.sync", "Directory.rename", "Directory.sync", "Directory.sync"]
        )
        calls.clear()
        self.files.write(b"a", b"1", False)
        self.files.remove(b"a", False)
        self.assertEqual(calls, ["Directory.rename"])

    def test_noLinkIsFollowed(self) -> None:
        secret = self.path / "secret"
        secret.write_bytes(b"secret")
        (self.path / "a").symlink_to(secret)
        (self.path / "a.unfinished").symlink_to(secret)
        with self.assertRaises(OSError):
            self.files.read(b"a")
        self.files.write(b"a", b"ours", False)
        self.assertEqual(secret.read_bytes(), b"secret")
        self.assertEqual(self.files.read(b"a"), b"ours")
        self.assertFalse((self.path / "a").is_symlink())

    def test_noFile(self) -> None:
        """A FIFO is not waited for, and nothing but a file is read."""
        os.mkfifo(self.path / "a")
        (self.path / "b").mkdir()
        for name in (b"a", b"b"):
            with self.assertRaises(OSError):
                self.files.read(name)
        self.files.write(b"a", b"1", False)
        self.assertEqual(self.files.read(b"a"), b"1")
        with self.assertRaises(OSError):
            self.files.write(b"b", b"1", True)
        self.assertEqual(self.names(), {"a", "b"})

    def test_failures(self) -> None:
        """Wherever it fails, the old one stays whole, and nothing else is left."""
        self.files.write(b"a", b"old", True)
        for owner, name in [(NewFile, "write"), (NewFile, "sync"), (Directory, "rename")]:
            failing = mock.Mock(side_effect=OSError(errno.ENOSPC, "no"))
            with mock.patch.object(owner, name, failing), self.assertRaises(OSError):
                self.files.write(b"a", b"new", True)
            self.assertEqual(self.files.read(b"a"), b"old")
            self.assertEqual(self.names(), {"a"})


class SidePlacesTests(SideFilesTestCase):
    def test_beside(self) -> None:
        template, places = SidePlaces.parse("/var/mail/{user}")
        self.assertEqual(template, "/var/mail/{user}")
        with places.of(self.directory, b"/var/mail/karl") as files:
            files.write(b"a", b"1", True)
        self.assertEqual(self.names(), {"a"})
        # The directory is the maildrop's, and is not closed.
        self.assertEqual(self.files.read(b"a"), b"1")

    def test_outside(self) -> None:
        outside = self.path / "outside"
        outside.mkdir()
        template, places = SidePlaces.parse(f"/var/mail/{{user}}?ledger={outside}")
        self.assertEqual(template, "/var/mail/{user}")
        before = len(os.listdir("/proc/self/fd"))
        for path in (b"/var/mail/karl", b"/var/mail/joe"):
            with places.of(self.directory, path) as files:
                files.write(b"a", path, True)
        for path in (b"/var/mail/karl", b"/var/mail/joe"):
            with places.of(self.directory, path) as files:
                self.assertEqual(files.read(b"a"), path)
        self.assertEqual(
            {path.name for path in outside.iterdir()}, {"var%2Fmail%2Fkarl.a", "var%2Fmail%2Fjoe.a"}
        )
        self.assertEqual(self.names(), {"outside"})
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_wrong(self) -> None:
        for text, sentence in [
            ("/x?ledgr=/y", "no option 'ledgr=/y' for a maildrop; did you mean ledger="),
            ("/x?ledger=", "no option 'ledger=' for a maildrop; write .ledger=/PATH"),
            ("/x?", "no option '' for a maildrop; write .ledger=/PATH"),
            ("/x?ledger=/nowhere", "'/nowhere' for ledgers cannot be used .No such file"),
        ]:
            with self.assertRaisesRegex(SettingError, sentence):
                SidePlaces.parse(text)

    @given(st.lists(st.binary(max_size=300), max_size=5))
    def test_keys(self, paths: list[bytes]) -> None:
        """Different maildrops have different files, and no path leads anywhere else."""
        paths = [*{b"/" + path.strip(b"/") for path in paths}, b"/..", b"/.", b"/digest=ab"]
        keys = [_key(path) for path in paths]
        self.assertEqual(len(set(keys)), len(set(paths)))
        for key in keys:
            self.assertRegex(key, rb"\A(?![.])[A-Za-z0-9_.@+,%=-]{0,200}\Z")
