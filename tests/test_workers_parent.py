"""L{pop3svc.workers.parent} and the options: where there cannot be workers, one sentence."""

from __future__ import annotations

import os
import sys
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.throttle import Throttle
from pop3svc.auth.turnstile import Turnstile
from pop3svc.errors import SettingError
from pop3svc.factory import POP3Factory
from pop3svc.limits import Limits
from pop3svc.options import Options
from pop3svc.tls import ServerTLS
from pop3svc.workers import parent
from pop3svc.workers.parent import Parent, checkFitness

from .pki import Authority
from .support import RecordingAudit
from .test_workers_process import FakeReactor


def parsed(*words: str, **twistd: object) -> Options:
    options = Options()
    options.parseOptions(["--maildrop", "maildir:/var/mail/{user}", *words])
    if twistd:
        options.parent = cast(Any, {"uid": None, "gid": None, "chroot": None, **twistd})
    return options


class FitnessTests(SynchronousTestCase):
    def sentence(self, options: Options) -> str:
        return str(self.assertRaises(SettingError, checkFitness, options))

    def test_fit(self) -> None:
        checkFitness(parsed(uid=None))

    def test_memory(self) -> None:
        self.assertEqual(
            self.sentence(parsed("--maildrop", "memory:", uid=None)),
            "--maildrop memory: is of one process, and workers would each have another; leave"
            " --workers out",
        )

    def test_noProcessOfOurs(self) -> None:
        self.assertEqual(
            self.sentence(parsed()),
            "--workers is for twistd, whose process starts them; leave it out",
        )

    def test_chroot(self) -> None:
        self.assertEqual(
            self.sentence(parsed(chroot="/jail")),
            "--workers starts programs, and there are none where --chroot leads; leave one out",
        )

    def test_programOutOfReach(self) -> None:
        """Root's own Python, say."""
        asked: list[object] = []

        def outOfReach(uid: int, gid: int, paths: list[str]) -> str:
            asked.extend([uid, gid, *paths])
            return "/root/bin/python3"

        self.patch(parent, "outOfReach", outOfReach)
        self.assertEqual(
            self.sentence(parsed(uid=8, gid=12)),
            "--workers runs /root/bin/python3 again under --uid, and that user cannot read it;"
            " install Python and pop3svc elsewhere, such as in /opt, or leave --workers out",
        )
        self.assertEqual(asked[:2], [8, 12])
        self.assertEqual(asked[4], os.path.realpath(parent.__file__))
        # The link of a virtual environment, as well as where it leads to.
        self.assertEqual(asked[5], sys.executable)


class StartTests(SynchronousTestCase):
    def test_nothingIsLeftOpen(self) -> None:
        """Also where several oldest versions of TLS have the same files."""
        reactor, pem = FakeReactor(), os.path.abspath(self.mktemp())
        Authority().issue(pem, "localhost")
        turnstile = Turnstile(Throttle(Limits()), reactor)
        options = parsed("--workers", "2")
        parent = Parent(options, b"salt", turnstile, RecordingAudit(), None, reactor)
        self.addCleanup(os.close, parent._directory)
        self.addCleanup(os.close, parent._memory)
        parent.certificates = [ServerTLS([(pem, pem)]), ServerTLS([(pem, pem)], None, "1.3")]
        parent.factories = [cast(POP3Factory, options)]
        before = os.listdir("/proc/self/fd")
        parent._start(parent.crew, 1)
        reactor.isSocket.close()
        self.assertEqual(os.listdir("/proc/self/fd"), before)
        self.assertEqual(list(reactor.orders.files), [pem])


class OptionTests(SynchronousTestCase):
    def test_number(self) -> None:
        self.assertEqual(parsed().workers, 1)
        self.assertEqual(parsed("--workers", "3").workers, 3)
        self.assertEqual(parsed("--workers", "256").workers, 256)
        self.patch(os, "sched_getaffinity", lambda pid: {0, 2, 3, 7})
        self.assertEqual(parsed("--workers", "auto").workers, 4)

    def test_countedOnce(self) -> None:
        """A core that goes, or comes, changes nothing: the shared memory has its size."""
        cores = {0, 1}
        self.patch(os, "sched_getaffinity", lambda pid: cores)
        options = parsed("--workers", "auto")
        self.assertEqual(options.workers, 2)
        cores.discard(1)
        self.assertEqual(options.workers, 2)

    def test_inTheFile(self) -> None:
        path = self.mktemp()
        for text, count in (("workers = 2", 2), ('workers = "4"', 4)):
            with open(path, "w") as file:
                file.write(text)
            self.assertEqual(parsed("--config", path).workers, count)
        self.assertEqual(parsed("--config", path, "--workers", "3").workers, 3)

    def test_wrong(self) -> None:
        for value in ("0", "257", "-1", "two", "", "1.5", "\u0663"):
            options = Options()
            caught = self.assertRaises(SystemExit, options.parseOptions, ["--workers", value])
            self.assertEqual(
                caught.code,
                "twistd pop3svc: --workers is a number from 1 to 256, or auto, not " + repr(value),
            )
