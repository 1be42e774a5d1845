"""
Real disks that are full, have no inodes left, or cannot be written to: mail is read as
ever, what can be removed is, and what cannot is told. Nothing is lost.
"""

from __future__ import annotations

import re

from .harness import USER, LiveTestCase
from .messages import Maildir, canonical
from .mounts import Mount
from .wire import Wire

_MESSAGES = [b"Subject: %d\n\n%b\n" % (number, b"x" * 4000 * number) for number in range(12)]
_JOURNAL = "there is no room for a journal"
_LEDGER = "the ledger cannot be written"


class DiskTestCase(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.disk = self.directory / "disk"
        self.disk.mkdir()

    def mounted(self, mount: Mount) -> Mount:
        """With the Maildir on it, and a service that knows nothing of it yet."""
        self.addCleanup(mount.unmount)
        self.maildir = Maildir(self.disk / USER)
        self.names = self.maildir.deliver(*_MESSAGES)
        self.service = self.serve("--maildrop", f"maildir:{self.disk}/{{user}}")
        return mount

    def login(self) -> Wire:
        wire = Wire(self.service)
        wire.login()
        self.addCleanup(wire.close)
        return wire

    def checkAll(self, wire: Wire, messages: list[bytes]) -> None:
        """All that a program asks for, and all is right."""
        octets = [len(canonical(each)) for each in messages]
        answer = wire.expect(b"STAT", b"+OK")
        self.assertEqual(answer, b"+OK %d %d" % (len(octets), sum(octets)))
        wire.expect(b"UIDL", b"+OK")
        uniqueIds = [line.split()[1] for line in wire.rest().splitlines()]
        stored = dict(zip(_MESSAGES, self.names, strict=True))
        self.assertEqual(uniqueIds, [stored[each] for each in messages])
        for number, message in enumerate(messages, 1):
            self.assertEqual(wire.retrieve(number), canonical(message))

    def count(self, text: str) -> int:
        return len(re.findall(text, self.service.log()))


class FullTests(DiskTestCase):
    """
    Who is over quota makes room by POP3: that needs none, neither for the ledger nor
    for a journal.
    """

    def _check(self) -> None:
        for _ in range(3):
            wire = self.login()
            self.checkAll(wire, _MESSAGES)
            wire.quit()
        # Each session is served; the log does not fill the next disk.
        self.assertEqual(self.count(_LEDGER), 1)
        wire = self.login()
        for number in (2, 3, 5):
            wire.expect(b"DELE %d" % number, b"+OK")
        wire.quit()
        self.assertEqual(self.count(_JOURNAL), 1)
        left = [each for number, each in enumerate(_MESSAGES, 1) if number not in (2, 3, 5)]
        self.assertEqual(self.maildir.stored(), left)
        wire = self.login()
        self.checkAll(wire, left)
        for number in range(1, len(left) + 1):
            wire.expect(b"DELE %d" % number, b"+OK")
        wire.quit()
        self.assertEqual(self.maildir.stored(), [])
        self.assertEqual(self.service.events("fault"), [])

    def test_memory(self) -> None:
        mount = self.mounted(Mount.memory(self.disk, 1 << 20))
        mount.fill()
        self._check()

    def test_disk(self) -> None:
        mount = self.mounted(Mount.ext4(self.disk, self.directory / "image"))
        mount.fill()
        self._check()

    def test_inodes(self) -> None:
        """There is room, but not for another name."""
        mount = self.mounted(Mount.memory(self.disk, 1 << 20, inodes=40))
        mount.fillInodes()
        self._check()

    def test_filledMeanwhile(self) -> None:
        """The ledger is there, and the disk gets full while a session lasts."""
        mount = self.mounted(Mount.ext4(self.disk, self.directory / "image"))
        wire = self.login()
        self.checkAll(wire, _MESSAGES)
        mount.fill()
        self.checkAll(wire, _MESSAGES)
        for number in range(1, 7):
            wire.expect(b"DELE %d" % number, b"+OK")
        wire.quit()
        self.assertEqual(self.maildir.stored(), _MESSAGES[6:])
        wire = self.login()
        self.checkAll(wire, _MESSAGES[6:])
        wire.quit()
        self.assertEqual(self.count("event=store-fault"), 0)


class ReadOnlyTests(DiskTestCase):
    """Errors on a disk make the kernel mount it so."""

    def test_readOnly(self) -> None:
        """QUIT says how many are not removed, and they are all there; later they can be."""
        mount = self.mounted(Mount.ext4(self.disk, self.directory / "image"))
        mount.setWritable(False)
        for _ in range(2):
            wire = self.login()
            self.checkAll(wire, _MESSAGES)
            for number in (1, 2, 12):
                wire.expect(b"DELE %d" % number, b"+OK")
            answer = wire.ask(b"QUIT")
            self.assertTrue(answer.startswith(b"-ERR [SYS/TEMP] 3 of 3 deleted messages"), answer)
        self.assertEqual(self.maildir.stored(), _MESSAGES)
        self.assertEqual(self.count(_LEDGER), 1)
        self.assertEqual(self.count("messages are not removed for good"), 2)
        mount.setWritable(True)
        wire = self.login()
        self.checkAll(wire, _MESSAGES)
        for number in range(1, 12):
            wire.expect(b"DELE %d" % number, b"+OK")
        wire.quit()
        self.assertEqual(self.maildir.stored(), _MESSAGES[11:])

    def test_meanwhile(self) -> None:
        """The disk breaks between DELE and QUIT."""
        mount = self.mounted(Mount.ext4(self.disk, self.directory / "image"))
        wire = self.login()
        self.checkAll(wire, _MESSAGES)
        for number in (1, 2):
            wire.expect(b"DELE %d" % number, b"+OK")
        mount.setWritable(False)
        answer = wire.ask(b"QUIT")
        self.assertTrue(answer.startswith(b"-ERR [SYS/TEMP] 2 of 2 deleted messages"), answer)
        wire = self.login()
        self.checkAll(wire, _MESSAGES)
        wire.quit()
