"""
The program that F{docs/embedding.rst} shows works, word for word.
"""

from __future__ import annotations

import poplib
import re
from pathlib import Path
from textwrap import dedent

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pop3svc.factory import POP3Factory

from .running import freePort

PAGE = (Path(__file__).parent.parent / "docs" / "embedding.rst").read_text()
_PORT = "tcp:1110:"


class EmbeddingTests(TestCase):
    async def test_theProgram(self) -> None:
        [block] = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE)
        port = freePort()
        self.assertIn(_PORT, block)
        program: dict[str, object] = {}
        exec(dedent(block).replace(_PORT, f"tcp:{port}:"), program)
        factory, listening = program["factory"], program["listening"]
        assert isinstance(factory, POP3Factory)
        assert isinstance(listening, Deferred)
        listener = await listening
        self.addCleanup(listener.stopListening)
        message = await deferToThread(_fetch, port)
        self.assertEqual(message, [b"Subject: hello", b"", b"From memory."])
        self.assertEqual(factory.limits.idleSeconds, 300)
        await factory.whenEmpty()


def _fetch(port: int) -> list[bytes]:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user("karl")
    client.pass_("secret")
    _, lines, _ = client.retr(1)
    client.quit()
    return lines
