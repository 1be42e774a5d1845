"""
C{--auth checkpassword:PROGRAM}: the interface of qmail, which Dovecot took over.

A program reads C{name NUL password NUL timestamp NUL} from descriptor 3, to its
end. When the password is right it becomes the program that its arguments end
with; here that is one that does nothing but succeed.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import CheckerUnavailable, SettingError
from ..hits import hit
from ..interfaces import ILimited
from ..limits import Limits
from .outside import OutsideLogins

# "There must be at most 512 bytes of data before end of file."
_MOST_OCTETS = 512

# How much of what a program says goes to the log.
_SAID_OCTETS = 1024

# What the program becomes when the password is right.
_SUCCESS = "/bin/true"

# Nothing of ours: our environment may name files and hold secrets.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PROTO": "TCP", "SERVICE": "pop3"}


@implementer(ICredentialsChecker, ILimited)
class CheckpasswordChecker:
    """Runs the program once for each login, a few of them at a time."""

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(
        self,
        command: Sequence[str],
        reactor: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param command: paths of C{setsid} and of the program, and its arguments.
        @param reactor: that of the process unless given.
        @param clock: seconds of a monotonic clock.
        """
        bounds = Limits()
        self._command = [*command, _SUCCESS]
        self._program = command[1]
        self._reactor = reactor
        self._clock = clock
        self._places = _Places(bounds.checkerThreads, bounds.checkerQueue)
        self._logins = OutsideLogins(self._program, self._ask, reactor, clock)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """
        @return: the user's name; fails with C{UnauthorizedLogin} when the program
            says no, because it does not say whether it knows the user, and with
            L{CheckerUnavailable} when it cannot say.
        """
        return self._logins.check(credentials.username, credentials.password)

    def useLimits(self, limits: Limits) -> None:
        """The bounds of asking: processes, queue, seconds."""
        self._places.resize(limits.checkerThreads, limits.checkerQueue)
        self._logins.useLimits(limits)

    def _ask(self, name: bytes, password: bytes, end: float) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._run(name, password, end))

    async def _run(self, name: bytes, password: bytes, end: float) -> bytes:
        # Unpredictable, as that of APOP: a program that knows APOP takes a digest
        # with it for a password, and a constant one could be computed once.
        timestamp = b"<%b@pop3svc>" % secrets.token_hex(16).encode()
        told = b"\0".join((name, password, timestamp, b""))
        if len(told) > _MOST_OCTETS:
            raise UnauthorizedLogin("name and password are longer than the interface takes")
        await self._places.take()
        try:
            run = self._start(told, end)
            status = await run.exited
        finally:
            self._places.give()
        self._report(bytes(run.said), password)
        if status == 0:
            return name
        if status in (1, 3):  # 3 is Dovecot's, for a user that is not there
            raise UnauthorizedLogin("unknown user or wrong password")
        raise CheckerUnavailable(f"{self._program} {_meaning(status)}")

    def _start(self, told: bytes, end: float) -> _Run:
        left = end - self._clock()
        if left <= 0:
            raise CheckerUnavailable(f"the login has waited for {self._program} too long")
        if self._reactor is None:
            # Late, so that importing this module installs no reactor.
            from twisted.internet import reactor

            self._reactor = reactor
        run = _Run(told)
        try:
            self._reactor.spawnProcess(
                run,
                self._command[0],
                self._command,
                env=_ENVIRONMENT,
                childFDs={0: "w", 1: "r", 2: "r", 3: "w"},
            )
        except OSError as error:
            raise CheckerUnavailable(f"cannot start {self._program}: {error}") from error
        timer = self._reactor.callLater(left, run.kill)
        run.exited.addBoth(_stop, timer)
        return run

    def _report(self, said: bytes, password: bytes) -> None:
        if said and password in said:
            self._log.warn(
                "{program} said something with the password in it, which is not logged",
                program=self._program,
            )
        elif said:
            self._log.warn("{program} said: {said!r}", program=self._program, said=said)


def _stop(result: Any, timer: Any) -> Any:
    if timer.active():
        timer.cancel()
    return result


def _meaning(status: int | None) -> str:
    """Why nothing is known of the password."""
    if status is None:
        return "was killed, or took too long"
    return {
        2: "was used wrongly (exit status 2); see which arguments it needs before the program",
        111: "has a temporary problem (exit status 111)",
        126: "cannot be run (exit status 126); make it executable for the service's user",
        127: "cannot be run (exit status 127); is it, or its interpreter, still there?",
    }.get(status, f"ended with exit status {status}, which means nothing here")


class _Run(ProcessProtocol):
    """
    One run of the program.

    @ivar exited: fires with the exit status, or C{None} when a signal ended it.
    @ivar said: the first of what it wrote to its standard output and error.
    """

    def __init__(self, told: bytes) -> None:
        self.exited: Deferred[int | None] = Deferred()
        self.said = bytearray()
        self._told = told

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.closeChildFD(0)
        self.transport.writeToChild(3, self._told)
        self.transport.closeChildFD(3)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        # The rest is read too, or the program would wait for it to be.
        self.said += data[: _SAID_OCTETS - len(self.said)]

    def processExited(self, reason: Failure) -> None:
        # Not processEnded, which waits for whoever holds the pipes still.
        assert self.transport is not None
        self.transport.loseConnection()
        status: int | None = getattr(reason.value, "exitCode", None)
        self.exited.callback(status)

    def kill(self) -> None:
        """The program and all that it has started."""
        assert self.transport is not None
        pid = self.transport.pid
        if pid is not None:
            with suppress(ProcessLookupError):  # it has not become a leader yet
                os.killpg(pid, signal.SIGKILL)
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")


class _Places:
    """How many processes there may be at once, and how many logins may wait."""

    def __init__(self, most: int, queue: int) -> None:
        self.resize(most, queue)
        self._taken = 0
        self._waiting: deque[Deferred[None]] = deque()

    def resize(self, most: int, queue: int) -> None:
        self._most, self._queue = most, queue

    async def take(self) -> None:
        """@raise CheckerUnavailable: too many wait already."""
        if self._taken < self._most:
            self._taken += 1
            return
        if len(self._waiting) >= self._queue:
            hit("checkerQueue")
            raise CheckerUnavailable(f"{len(self._waiting)} logins wait for a process")
        place: Deferred[None] = Deferred()
        self._waiting.append(place)
        await place

    def give(self) -> None:
        """To the next who waits, unless there are fewer places by now."""
        if self._waiting and self._taken <= self._most:
            self._waiting.popleft().callback(None)
        else:
            self._taken -= 1


@implementer(ICheckerFactory, IPlugin)
class CheckpasswordCheckerFactory:
    """C{checkpassword:PROGRAM [ARGUMENTS]}."""

    authType = "checkpassword"
    argStringFormat = "PROGRAM [ARGUMENTS]"
    authHelp = """
A program with the interface of qmail's checkpassword, as Dovecot has it too. It
reads name, password and a timestamp from descriptor 3, each with a NUL behind it,
512 octets at most, and runs the last of its arguments (here /bin/true) when they
are good. Exit status 0: good; 1: unknown or wrong; 111: ask again later.
Arguments are written as in a shell, with quotes where they have blanks.
See docs/auth-checkpassword.rst.
"""
    credentialInterfaces = (IUsernamePassword,)

    def generateChecker(self, argumentText: str) -> CheckpasswordChecker:
        """
        @param argumentText: the program and its arguments.
        @raise SettingError: with a sentence.
        """
        try:
            words = shlex.split(argumentText)
        except ValueError as error:
            raise SettingError(
                f"--auth checkpassword: {argumentText!r} ends inside of quotes; close them"
            ) from error
        if not words:
            raise SettingError(
                "--auth checkpassword needs a program; write --auth checkpassword:/PATH/OF/PROGRAM"
            )
        program = shutil.which(words[0])
        if program is None:
            raise SettingError(
                f"cannot run the program {words[0]}; name one that is there and executable"
            )
        # It makes the program the leader of a group, so that at the deadline all
        # that it has started is killed with it.
        setsid = shutil.which("setsid")
        if setsid is None:
            raise SettingError("--auth checkpassword needs the program setsid; install util-linux")
        # twistd will change its directory.
        return CheckpasswordChecker([setsid, os.path.abspath(program), *words[1:]])
