"""
A worker's program: C{python -m pop3svc.workers.worker}, started by the parent alone.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..service import Made


def main() -> None:
    """
    Serve until the parent, or a signal, says that it is enough.

    @raise SystemExit: with one sentence, which the parent reads.
    """
    from ..errors import SettingError
    from ..operations.confinement import forbidDumps

    try:
        # The program's start has allowed them again, and with them a look at our
        # descriptors: first of all, therefore.
        forbidDumps()
    except SettingError as error:
        raise SystemExit(str(error)) from error
    from .orders import LOG, ORDERS, Orders

    orders = Orders.read(ORDERS)
    os.close(ORDERS)
    _keepInherited()
    reactor = _reactor(orders.reactor)
    from twisted.logger import globalLogBeginner

    from ..operations.clocks import keepDeadlines
    from .logs import LogWriter

    keepDeadlines(reactor)
    log = LogWriter(LOG, reactor)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    try:
        from ..service import makeWorker

        made = makeWorker(orders)
    except SettingError as error:
        raise SystemExit(str(error)) from error
    _join(reactor, made)
    reactor.run()
    log.flush()


def _reactor(name: str | None) -> Any:
    """@param name: as twistd's C{--reactor} was told; C{None} for what Twisted takes by itself."""
    if name is not None:
        from twisted.application.reactors import installReactor

        installReactor(name)
    from twisted.internet import reactor

    return reactor


def _keepInherited() -> None:
    """What was inherited is for this process, and not for programs that it starts."""
    for name in os.listdir("/proc/self/fd"):
        # The listing's own is gone by now.
        if int(name) > 2:
            with suppress(OSError):
                os.set_inheritable(int(name), False)


def _join(reactor: Any, made: Made) -> None:
    """The others first, and then those who want their mail."""
    from twisted.internet.defer import Deferred
    from twisted.internet.protocol import Factory
    from twisted.logger import Logger

    from ..operations.signals import stopReactor
    from .commands import Ready
    from .link import Link
    from .orders import LINK

    link = Link(made.parts, lambda: link.tellLost())

    def stop() -> Deferred[None]:
        return made.service.stopService().addCallback(lambda _: made.leave())

    async def begin() -> None:
        await made.join()
        made.service.privilegedStartService()
        made.service.startService()
        await link.ask(Ready)

    def fail(failure: Any) -> None:
        Logger().failure("this worker cannot begin", failure)
        # The parent may be gone, and have ended us by that.
        stopReactor(reactor)

    with socket.socket(fileno=LINK) as end:
        end.setblocking(False)
        factory = Factory.forProtocol(lambda: link)
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, factory)
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(begin()).addErrback(fail))


if __name__ == "__main__":
    # First of all, before what takes a while to import: whoever tells the parent by a
    # signal may tell all processes of its group.
    for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    main()
