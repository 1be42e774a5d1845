"""
The parent's side of everything: who works for it, and what each is told at its start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

import twisted

from ..admission import Admission
from ..auth.turnstile import Turnstile
from ..errors import SettingError
from ..factory import POP3Factory
from ..limits import Limits
from ..operations.audit import Audit
from ..operations.auditfile import AuditFile
from ..operations.privileges import outOfReach
from ..operations.startup import endRunning
from ..options import Options
from ..servicekey import serviceKey
from ..startfiles import Kept, memoryFile
from ..tls import ServerTLS
from .asking import WorkersQuestions
from .crew import Crew
from .orders import Orders
from .places import Places, makeMemory
from .process import Worker, environment
from .rooms import RoomMaker
from .sharing import shareOf
from .sockets import HeldListener
from .turns import Turns


class Parent:
    """
    @ivar crew: the workers.
    @ivar questions: asked of all of them.
    @ivar admission: how many are served by all of them.
    @ivar turns: the one turnstile, for all of them.
    @ivar files: what was read at the start.
    @ivar certificates: those that serve now.
    @ivar listeners: whose sockets they share.
    """

    def __init__(
        self,
        options: Options,
        scramKey: bytes,
        turnstile: Turnstile,
        audit: Audit,
        auditFile: AuditFile | None,
        reactor: Any,
    ) -> None:
        """@param scramKey: see L{POP3Factory}."""
        self.files: dict[str, Kept] = {}
        self.certificates: Sequence[ServerTLS] = ()
        self.listeners: list[HeldListener] = []
        self.factories: Sequence[POP3Factory] = ()
        self._options = options
        self._scramKey = scramKey
        self._auditFile = auditFile
        self._reactor = reactor
        self._environment = environment(sys.path, os.environ)
        clock, count = IReactorTime(reactor), options.workers
        self._directory = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._memory = makeMemory(count)
        places = Places(self._memory, count, serviceKey("places"))
        self._rooms = RoomMaker(places)
        self.admission = _Counted(places, count)
        self.turns = Turns(turnstile, clock)
        self.crew = Crew(count, self._start, audit, reactor, self._limits, self._giveUp)
        self.questions = WorkersQuestions(clock, lambda: [each.link for each in self.crew.serving])

    def reload(self) -> Deferred[list[str]]:
        """@see: L{Crew.reload}"""
        return self.crew.reload(shareOf(self._limits(), self._options.workers))

    def _limits(self) -> Limits:
        return self.factories[0].limits

    def _start(self, crew: Crew, number: int) -> Worker:
        parts = [self._rooms.part(number - 1), self.turns.part()]
        worker = Worker(
            number, parts, self._reactor, self._limits, crew.ready, crew.ended, crew.hung
        )
        # Several oldest versions of TLS share their files.
        kept = {path: of for each in self.certificates for path, of in each.kept().items()}
        certificates = {}
        with ExitStack() as closing:
            for path, (octets, stamp) in kept.items():
                certificates[path] = Kept(memoryFile(octets), stamp)
                closing.callback(os.close, certificates[path].descriptor)
            worker.start(self._orders(number, certificates), self._environment)
        return worker

    def _orders(self, number: int, certificates: dict[str, Kept]) -> Orders:
        options, twistd = self._options, self._options.parent
        return Orders(
            number,
            options.workers,
            None if twistd is None else twistd.get("reactor"),
            self._directory,
            dict(options),
            options.given,
            shareOf(self._limits(), options.workers),
            [(each.settings, each.descriptor) for each in self.listeners],
            self._scramKey,
            auditLog=None if self._auditFile is None else self._auditFile.descriptor,
            files={**self.files, **certificates},
            shared={"places": self._memory},
        )

    def _giveUp(self, sentence: str) -> None:
        endRunning(sentence, self._reactor)


class _Counted(Admission):
    """Nobody comes to the parent; it knows how many are with its workers."""

    def __init__(self, places: Places, workers: int) -> None:
        super().__init__()
        self._places = places
        self._rows = range(workers)

    @property
    def total(self) -> int:
        """@see: L{Admission.total}"""
        return self._places.total

    @property
    def strangers(self) -> int:
        """@see: L{Admission.strangers}"""
        return sum(map(self._places.strangers, self._rows))


def checkFitness(options: Options) -> None:
    """@raise SettingError: there cannot be workers."""
    checkShareable(options)
    if options.parent is None:
        raise SettingError("--workers is for twistd, whose process starts them; leave it out")
    twistd = options.parent
    if twistd["chroot"] is not None:
        raise SettingError(
            "--workers starts programs, and there are none where --chroot leads; leave one out"
        )
    checkPrograms(twistd["uid"], twistd["gid"])


def checkShareable(options: Options) -> None:
    """@raise SettingError: the maildrops are those of one process."""
    if options.given["maildrop"][0].partition(":")[0] == "memory":
        raise SettingError(
            "--maildrop memory: is of one process, and workers would each have another; leave"
            " --workers out"
        )


def checkPrograms(uid: int | None, gid: int | None) -> None:
    """
    Root has started Python, and the service's user is to start it again.

    @param uid: as twistd's C{--uid}.
    @param gid: as twistd's C{--gid}.
    @raise SettingError: that user cannot.
    """
    programs = [os.path.realpath(each) for each in (sys.executable, os.__file__, __file__)]
    # As it is called, too: a virtual environment's is a link, and elsewhere than its goal.
    programs += [sys.executable, os.path.realpath(twisted.__file__)]
    path = outOfReach(uid, gid, programs)
    if path is not None:
        raise SettingError(
            f"--workers runs {path} again under --uid, and that user cannot read it; install"
            " Python and pop3svc elsewhere, such as in /opt, or leave --workers out"
        )
