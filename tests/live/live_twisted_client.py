"""
Twisted's own client, in a process of its own.
"""

from __future__ import annotations

import sys

from .harness import HOST, IMPLICIT, PASSWORD, PLAIN, STLS, USER, Way
from .scenario import ScriptTestCase

_PROGRAM = """
import sys

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import react
from twisted.mail.pop3client import POP3Client


class Client(POP3Client):
    def __init__(self):
        self.greeted = Deferred()

    def serverGreeting(self, text):
        self.greeted.callback(text)


@inlineCallbacks
def main(reactor, host, port, way, authority, user, password, keep):
    root = trustRootFromCertificates([Certificate.loadPEM(open(authority, "rb").read())])
    tls = optionsForClientTLS(host, root)
    endpoint = HostnameEndpoint(reactor, host, int(port))
    if way == "implicit":
        endpoint = wrapClientTLS(tls, endpoint)
    client = yield connectProtocol(endpoint, Client())
    yield client.greeted
    if way == "STLS":
        yield client.startTLS(tls)
    if way == "plain":
        # login() would begin TLS by itself where the server offers it.
        yield client.user(user.encode())
        yield client.password(password.encode())
    else:
        yield client.login(user.encode(), password.encode())
    seen = sys.stdin.buffer.read().splitlines()
    for index, uniqueId in enumerate((yield client.listUID())):
        if uniqueId not in seen:
            lines = yield client.retrieve(index)
            message = b"".join(line + b"\\r\\n" for line in lines)
            sys.stdout.buffer.write(b"%s %d\\n%s" % (uniqueId, len(message), message))
        if not keep:
            yield client.delete(index)
    yield client.quit()


react(main, sys.argv[1:])
"""


class TwistedClientTests(ScriptTestCase):
    program = "Twisted"

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def command(self, way: Way, keep: bool) -> list[str]:
        return [
            *(sys.executable, "-c", _PROGRAM, HOST, str(self.service.port(way)), way.name),
            *(str(self.service.authority), USER, PASSWORD, "1" if keep else ""),
        ]
