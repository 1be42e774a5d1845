"""
POP3 as Twisted has it: twisted.mail.pop3 with its own Maildirs.

    stock.py MAILDIRS PORT TLS-PORT CERTIFICATE PASSWORDS

Its faults are its own, and the load generator tells them: it hangs up at RETR (its
Maildirs open messages as text, its POP3 sends octets), its sizes count the octets of
the file and not those that are sent, and AUTH PLAIN takes no initial response.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from OpenSSL.SSL import TLS_METHOD
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.protocol import Factory
from twisted.mail.maildir import MaildirMailbox
from twisted.mail.pop3 import POP3, IMailbox
from zope.interface import implementer

PASSWORD = b"secret"
reactor: Any = _reactor


@implementer(IRealm)
class Realm:
    """Opens the Maildir of whoever logs in."""

    def __init__(self, maildirs: Path) -> None:
        self._maildirs = maildirs

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: object) -> Any:
        maildir = bytes(self._maildirs / avatarId.decode())
        return IMailbox, MaildirMailbox(maildir), lambda: None


class Stock(Factory):
    """Gives each connection the portal, and answers what POP3 asks of its factory."""

    challengers: dict[bytes, object] = {}

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def buildProtocol(self, address: object) -> Any:
        protocol: Any = POP3()
        protocol.factory = self
        protocol.portal = self._portal
        # What twisted.mail's own service sets, where POP3 itself has nothing.
        protocol.timeOut = 600
        return protocol

    def cap_IMPLEMENTATION(self) -> str:
        return "stock"

    def cap_EXPIRE(self) -> int:
        return 60

    def cap_LOGIN_DELAY(self) -> int:
        return 0

    def perUserExpiration(self) -> bool:
        return False

    def perUserLoginDelay(self) -> bool:
        return False


def main(maildirs: str, port: str, tlsPort: str, certificate: str, passwords: str) -> None:
    users = [line.split(":")[0] for line in Path(passwords).read_text().splitlines()]
    checker = InMemoryUsernamePasswordDatabaseDontUse(**dict.fromkeys(users, PASSWORD))
    factory = Stock(Portal(Realm(Path(maildirs)), [checker]))
    context = ssl.DefaultOpenSSLContextFactory(certificate, certificate, TLS_METHOD)
    reactor.listenTCP(int(port), factory, 1024, "127.0.0.1")
    reactor.listenSSL(int(tlsPort), factory, context, 1024, "127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
