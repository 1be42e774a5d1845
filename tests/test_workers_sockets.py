"""L{pop3svc.workers.sockets}: several accept from one socket, and it is the parent's."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pop3svc.errors import SettingError
from pop3svc.listeners import ListenerSettings
from pop3svc.workers.sockets import HeldListener, InheritedEndpoint, SharedListener

from .pki import Authority
from .support import RecordingAudit


class Accepting(Factory):
    """@ivar accepted: fires when somebody has come."""

    noisy = False

    def __init__(self) -> None:
        self.accepted: Deferred[None] = Deferred()

    def buildProtocol(self, addr: object) -> Protocol | None:
        if not self.accepted.called:
            self.accepted.callback(None)
        return None


class SocketsTests(TestCase):
    timeout = 20

    def hold(self, endpoint: str) -> HeldListener:
        self.audit, self.nobody = RecordingAudit(), Accepting()
        made = serverFromString(cast(Any, reactor), endpoint)
        settings = ListenerSettings(endpoint, "none")
        held = HeldListener(settings, made, self.nobody, self.audit, False)
        held.privilegedStartService()
        self.addCleanup(held.stopService)
        self.assertEqual(
            self.audit.records, [{"event": "listening", "endpoint": endpoint, "tls": "none"}]
        )
        return held

    def share(self, held: HeldListener) -> tuple[SharedListener, Accepting]:
        factory = Accepting()
        endpoint = InheritedEndpoint(reactor, os.dup(held.descriptor))
        shared = SharedListener(held.settings, endpoint, factory, self.audit, False)
        shared.privilegedStartService()
        self.successResultOf(shared.listening)
        self.assertEqual(len(self.audit.records), 1)
        return shared, factory

    async def test_tcp(self) -> None:
        """The parent lets everybody wait, until somebody accepts; nobody's end is all's."""
        held = self.hold("tcp:0:interface=127.0.0.1")
        with socket.socket(fileno=os.dup(held.descriptor)) as probe:
            address = probe.getsockname()
        with socket.create_connection(address):
            first, accepting = self.share(held)
            await accepting.accepted
        await cast(Any, first.stopService())
        second, accepting = self.share(held)
        await cast(Any, held.stopService())
        with socket.create_connection(address):
            await accepting.accepted
        await cast(Any, second.stopService())
        self.assertFalse(self.nobody.accepted.called)
        self.assertRaises(ConnectionRefusedError, socket.create_connection, address)

    async def test_unix(self) -> None:
        """Its file keeps its mode while workers come and go."""
        path = Path(self.mktemp()).absolute()
        short = Path(os.path.relpath(path))
        held = self.hold(f"unix:{short}:mode=640")
        for _ in range(2):
            shared, accepting = self.share(held)
            other, _ = self.share(held)
            await cast(Any, other.stopService())
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(short))
                await accepting.accepted
            await cast(Any, shared.stopService())
            self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        await cast(Any, held.stopService())
        self.assertFalse(path.exists())

    async def test_wrapped(self) -> None:
        """With ssl: the workers would speak in the clear where TLS is promised."""
        authority, pem = Authority(), self.mktemp()
        authority.issue(pem, "localhost")
        endpoint = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
        made = serverFromString(cast(Any, reactor), endpoint)
        ports: list[IListeningPort] = []

        @implementer(IStreamServerEndpoint)
        class Noting:
            def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
                listening = made.listen(protocolFactory)
                listening.addCallback(ports.append)
                return listening.addCallback(lambda _: ports[0])

        settings = ListenerSettings(endpoint, "none")
        held = HeldListener(settings, Noting(), Accepting(), RecordingAudit(), True)
        with self.assertRaises(SettingError) as caught:
            held.privilegedStartService()
        self.assertEqual(
            str(caught.exception),
            f"cannot listen on {endpoint}: workers share sockets, and not the TLS that the"
            " endpoint puts around them; leave --workers out, or use --pop3s tcp:",
        )
        await cast(Any, ports[0].stopListening())

    def test_late(self) -> None:
        """The workers are started with a socket that is there."""

        @implementer(IStreamServerEndpoint)
        class Late:
            def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
                return Deferred()

        settings = ListenerSettings("late:1", "none")
        held = HeldListener(settings, Late(), Accepting(), RecordingAudit(), True)
        with self.assertRaises(SettingError) as caught:
            held.privilegedStartService()
        self.assertEqual(
            str(caught.exception),
            "cannot listen on late:1: it takes its time; leave --workers out, or use tcp:",
        )

    def test_notToBeShared(self) -> None:
        """An endpoint of somebody else's may have no socket at all."""

        @implementer(IStreamServerEndpoint)
        class Odd:
            def listen(self, protocolFactory: object) -> Deferred[IListeningPort]:
                return succeed(cast(IListeningPort, object()))

        said: list[str] = []
        settings = ListenerSettings("odd:1", "none")
        held = HeldListener(settings, Odd(), Accepting(), RecordingAudit(), True)
        with self.assertRaises(ValueError) as caught:
            held.privilegedStartService()
        said.append(str(caught.exception))
        self.assertEqual(
            said,
            [
                "cannot listen on odd:1: its sockets cannot be shared; leave --workers out, or"
                " use tcp:"
            ],
        )
