"""
A POP3 server of another make, in a thread: it says what a test tells it to say.
"""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Sequence

USER, PASSWORD = b"karl", b"secret"


class OtherServer:
    """
    One maildrop, within C{with}.

    @ivar port: of loopback.
    @ivar commands: what clients have sent.
    @ivar refused: commands, in capitals, that are answered by C{-ERR}.
    """

    def __init__(
        self,
        messages: Sequence[bytes],
        uniqueIds: Sequence[bytes],
        tls: ssl.SSLContext | None = None,
        capabilities: Sequence[bytes] = (),
    ) -> None:
        """
        @param messages: with CRLF.
        @param tls: from the first octet, or after STLS if that is among C{capabilities}.
        """
        self.messages, self.uniqueIds = messages, uniqueIds
        self.commands: list[bytes] = []
        self.refused: set[bytes] = set()
        self.capabilities = capabilities
        other = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if tls is not None and b"STLS" not in capabilities:
                    self.startTLS()
                self.wfile.write(b"+OK\r\n")
                while line := self.rfile.readline():
                    words = line.split()
                    other.commands.append(line.strip())
                    if words[0] == b"STLS":
                        self.wfile.write(b"+OK\r\n")
                        self.startTLS()
                        continue
                    self.wfile.write(other.answer(words))
                    if words[0] == b"QUIT":
                        return

            def startTLS(self) -> None:
                assert tls is not None
                self.request = tls.wrap_socket(self.request, server_side=True)
                self.setup()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, request: object, address: object) -> None:
                """Clients that do not trust us go away in the midst of it."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def answer(self, words: list[bytes]) -> bytes:
        """To one command."""
        name = words[0]
        if name in self.refused or (name == b"PASS" and words[1:] != [PASSWORD]):
            return b"-ERR no such thing\r\n"
        if name == b"CAPA":
            return self._lines(self.capabilities) if self.capabilities else b"-ERR\r\n"
        if name == b"LIST":
            return self._lines([b"%d %d" % (i, len(m)) for i, m in enumerate(self.messages, 1)])
        if name == b"UIDL":
            return self._lines([b"%d %s" % pair for pair in enumerate(self.uniqueIds, 1)])
        if name in (b"TOP", b"RETR"):
            message = self.messages[int(words[1]) - 1]
            if name == b"TOP":
                message = message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            return self._lines(message.removesuffix(b"\r\n").split(b"\r\n"))
        return b"+OK\r\n"

    def __enter__(self) -> OtherServer:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @staticmethod
    def _lines(lines: Sequence[bytes]) -> bytes:
        stuffed = (b"." + each if each.startswith(b".") else each for each in lines)
        return b"+OK\r\n" + b"".join(each + b"\r\n" for each in stuffed) + b".\r\n"
