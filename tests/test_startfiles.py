"""L{pop3svc.startfiles} and L{pop3svc.servicekey}: what processes of one service share."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc import servicekey
from pop3svc.certificates import fileStamps
from pop3svc.demo import makeCertificate
from pop3svc.servicekey import masterKey, serviceKey, useMasterKey
from pop3svc.startfiles import given, keeping, memoryFile, readFile, readMemory, stampOf, within
from pop3svc.tls import ServerTLS


class StartFilesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.write_bytes(b"as root has read it")

    def test_keptAndGiven(self) -> None:
        """Whatever becomes of the file, the other process reads what this one has read."""
        with keeping() as kept:
            self.assertEqual(readFile(str(self.path)), b"as root has read it")
        stamp = stampOf(str(self.path))
        self.assertEqual(list(kept), [str(self.path)])
        self.addCleanup(os.close, kept[str(self.path)].descriptor)
        self.path.unlink()
        for _ in range(2):
            with given(kept):
                self.assertEqual(readFile(os.path.relpath(self.path)), b"as root has read it")
                self.assertEqual(stampOf(str(self.path)), stamp)
        self.assertRaises(FileNotFoundError, readFile, str(self.path))
        self.assertRaises(FileNotFoundError, stampOf, str(self.path))

    def test_readTwice(self) -> None:
        """A chain and its key in one file, say: it is kept once, as it was last."""
        before = len(os.listdir("/proc/self/fd"))
        with keeping() as kept:
            readFile(str(self.path))
            self.path.write_bytes(b"changed")
            readFile(str(self.path))
        self.assertEqual(readMemory(kept[str(self.path)].descriptor), b"changed")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 1)
        os.close(kept[str(self.path)].descriptor)

    def test_notKept(self) -> None:
        """Without workers nothing is held in memory."""
        with keeping() as kept:
            pass
        readFile(str(self.path))
        self.assertEqual(kept, {})

    def test_fifo(self) -> None:
        """Nobody is waited for who may never write."""
        fifo = self.mktemp()
        os.mkfifo(fifo)
        self.assertEqual(
            self.assertRaises(OSError, readFile, fifo).strerror, "it is no regular file"
        )

    def test_large(self) -> None:
        octets = os.urandom(3_000_000)
        descriptor = memoryFile(octets)
        self.assertEqual((readMemory(descriptor), readMemory(descriptor)), (octets, octets))
        os.close(descriptor)

    def test_unchangeable(self) -> None:
        """Whoever inherits it cannot change what others read."""
        descriptor = memoryFile(b"secret")
        self.addCleanup(os.close, descriptor)
        self.assertRaises(PermissionError, os.pwrite, descriptor, b"other", 0)
        self.assertRaises(PermissionError, os.ftruncate, descriptor, 0)
        self.assertEqual(readMemory(descriptor), b"secret")

    def test_directory(self) -> None:
        """Relative paths begin where twistd was started, and only for a while."""
        here = os.getcwd()
        directory = os.open(self.path.parent, os.O_PATH)
        self.addCleanup(os.close, directory)
        os.mkdir(self.mktemp())
        with within(directory):
            self.assertEqual(readFile(self.path.name), b"as root has read it")
        self.assertEqual(os.getcwd(), here)

    def test_certificates(self) -> None:
        """A worker gets what serves now, also when the file has become bad meanwhile."""
        self.path.write_bytes(makeCertificate("localhost"))
        tls = ServerTLS([(str(self.path), str(self.path))])
        stamps = fileStamps([str(self.path)])
        self.path.write_text("no PEM")
        [(octets, stamp)] = tls.kept().values()
        again = Path(self.mktemp())
        again.write_bytes(octets)
        other = ServerTLS([(str(again), str(again))])
        self.assertEqual(other.pairs[0].chain, tls.pairs[0].chain)
        self.assertEqual((stamp.inode, stamp.modified, stamp.octets), stamps[0])


class ServiceKeyTests(SynchronousTestCase):
    def test_same(self) -> None:
        """In all processes of a service, and for nothing else."""
        self.patch(servicekey, "_master", secrets.token_bytes(32))
        salts, places = serviceKey("salts"), serviceKey("places")
        self.assertNotEqual(salts, places)
        self.assertNotIn(masterKey(), (salts, places))
        key = masterKey()
        useMasterKey(secrets.token_bytes(32))
        self.assertNotEqual(serviceKey("salts"), salts)
        useMasterKey(key)
        self.assertEqual((serviceKey("salts"), len(salts)), (salts, 32))
