"""L{pop3svc.operations.reload}: what is new is taken over, what is bad is told."""

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pop3svc.errors import SettingError
from pop3svc.operations.reload import Reloader
from pop3svc.tls import ServerTLS

from .pki import Authority
from .support import RecordingAudit


class ReloaderTests(TestCase):
    def setUp(self) -> None:
        self.authority = Authority()
        self.path = self.authority.issue(self.mktemp(), days=200)
        self.audit, self.clock = RecordingAudit(), Clock()
        self.others: list[str] = []

    def start(self) -> ServerTLS:
        tls = ServerTLS([(self.path, self.path)])
        reloader = Reloader(
            [tls], [lambda: self.others.append("x")], self.audit, self.clock, lambda: 10
        )
        reloader.startService()
        self.addCleanup(reloader.stopService)
        self.reloader = reloader
        return tls

    def replace(self, days: float) -> None:
        os.replace(self.authority.issue(self.mktemp(), days=days), self.path)

    def test_changedFile(self) -> None:
        tls = self.start()
        self.replace(100)
        before = tls.pairs
        self.clock.advance(9)
        self.assertIs(tls.pairs, before)
        self.clock.advance(1)
        self.assertNotEqual(tls.pairs, before)
        self.assertEqual([each["event"] for each in self.audit.records], ["reloaded"])

    def test_badFileIsToldOnce(self) -> None:
        tls = self.start()
        before = tls.pairs
        Path(self.path).write_text("no PEM")
        self.clock.pump([10] * 5)
        self.assertIs(tls.pairs, before)
        self.assertEqual(
            self.audit.records,
            [{"event": "reload-failed", "text": f"{self.path} is no PEM certificate"}],
        )

    def test_told(self) -> None:
        """SIGHUP: everything, and one bad thing does not hinder the next."""

        def fail() -> None:
            raise SettingError("it is wrong")

        tls = self.start()
        before = tls.pairs
        self.reloader._others = [fail, lambda: self.others.append("y")]
        self.replace(100)
        self.reloader.reload()
        self.assertNotEqual(tls.pairs, before)
        self.assertEqual(self.others, ["y"])
        self.assertEqual(
            self.audit.records,
            [{"event": "reload-failed", "text": "it is wrong"}],
        )

    def test_faultOfOurs(self) -> None:
        """It is told with its traceback, and the files are watched as before."""

        def fail() -> None:
            raise KeyError("unforeseen")

        tls = self.start()
        self.patch(tls, "reload", fail)
        self.replace(100)
        self.clock.advance(10)
        first, second = self.audit.records
        self.assertEqual(first, {"event": "reload-failed", "text": "KeyError; the log has more"})
        self.assertEqual((second["event"], second["during"]), ("fault", "reload"))
        self.assertTrue(self.reloader._watching.running)

    def test_interval(self) -> None:
        """watch-seconds counts anew from the reload that changed it."""
        tls = self.start()
        seconds = [3]
        self.reloader._watchSeconds = lambda: seconds[0]
        self.reloader.reload()
        self.replace(100)
        before = tls.pairs
        self.clock.advance(2)
        self.assertIs(tls.pairs, before)
        self.clock.advance(1)
        self.assertNotEqual(tls.pairs, before)

    def test_reminders(self) -> None:
        """From 14 days before the end, at the start and once a day."""
        self.replace(13.5)
        self.start()
        reminder = {"event": "certificate-ends", "certificate": self.path, "days": 13}
        self.assertEqual(self.audit.records, [reminder])
        self.clock.pump([600] * 143)
        self.assertEqual(self.audit.records, [reminder])
        self.clock.pump([600] * 2)
        self.assertEqual(self.audit.records, [reminder, reminder])

    def test_noReminder(self) -> None:
        self.replace(15)
        self.start()
        self.assertEqual(self.audit.records, [])

    def test_ticketKeysLastADay(self) -> None:
        tls = self.start()
        before = tls._default
        self.clock.pump([600] * 143)
        self.assertIs(tls._default, before)
        # The files may be out of reach since privileges were given up.
        self.patch(tls, "reload", lambda: self.fail("files were read"))
        self.clock.pump([600] * 2)
        self.assertIsNot(tls._default, before)
        self.assertEqual(self.audit.records, [])
