"""
Reading one message, without waiting for a thread where the page cache will do.
"""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from ..errors import MaildropUnavailable, MessageVanished
from ..interfaces import IMessageReader
from ..pools import Pool, PoolFull
from .opened import MessageFile


@implementer(IMessageReader)
class MaildirReader:
    """
    One message, opened. It has as many octets as its file had when it was
    opened, whatever is appended since.
    """

    def __init__(self, pool: Pool, file: MessageFile, first: bytes) -> None:
        """
        @param pool: where to wait for the disk.
        @param file: closed already if C{first} is all of it.
        @param first: the message's first octets, so far as they are read.
        """
        self._pool = pool
        self._file = file
        self._first = first
        self._offset = 0
        self._waiting = False
        self._closed = False

    def read(self, octets: int) -> Deferred[bytes]:
        """
        @return: fails with L{MessageVanished} when the file cannot be read to
            the end, or has become shorter.
        """
        if self._first:
            data = self._first[:octets]
            # A peer who does not read on must not make us hold what it has.
            self._first = self._first[octets:]
            return succeed(self._advance(data))
        wanted = min(octets, self._file.octets - self._offset)
        if wanted <= 0:
            return succeed(b"")
        cached = self._file.readCached(wanted, self._offset)
        if cached:
            return succeed(self._advance(cached))
        return Deferred.fromCoroutine(self._wait(wanted))

    def close(self) -> None:
        """The file stays open under a thread that still reads it, until it is done."""
        self._closed = True
        if not self._waiting:
            self._file.close()

    def _advance(self, data: bytes) -> bytes:
        self._offset += len(data)
        return data

    async def _wait(self, octets: int) -> bytes:
        self._waiting = True
        try:
            data = await self._pool.run(self._file.read, octets, self._offset)
        except PoolFull as error:
            raise MaildropUnavailable(f"a message cannot be read on: {error}") from error
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise MessageVanished(f"a message cannot be read to its end ({reason})") from error
        finally:
            self._waiting = False
            if self._closed:
                self._file.close()
        if not data:
            raise MessageVanished("a message became shorter while it was read")
        return self._advance(data)
