"""
The table of a passwd file, which is read again when the file changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..errors import CheckerUnavailable, SettingError
from ..limits import Limits
from ..pools import Pool, PoolFull
from ..startfiles import Stamp, isFromStart
from .names import NameRule
from .passwdfile import Table, readTable
from .shared import InFlight

# How old the knowledge of a file may be: a changed password counts at once for
# an administrator, and a flood of logins costs one stat a second.
_RECHECK_SECONDS = 1.0

# Malformed lines in the log for each reading; the others are counted.
_COMPLAINTS = 20


class FollowedTable:
    """
    The file is looked at in a thread of its own, not behind the hashes: while
    somebody guesses passwords, who is remembered still logs in.

    @ivar path: absolute.
    @ivar table: what stood in the file when it was read last.
    @ivar rule: how names are compared.
    """

    table: Table
    _log = Logger()

    def __init__(
        self, path: str, files: Pool, clock: Callable[[], float], rule: NameRule = "plain"
    ) -> None:
        """
        Reads the file at once, before the first connection.

        @param path: taken from the directory of now, whatever it is later.
        @param files: where the file is read.
        @param clock: seconds of a monotonic clock.
        @raise SettingError: the file cannot be read, or a library is missing.
        """
        self.path = os.path.abspath(path)
        self.rule: NameRule = rule
        self._files = files
        self._clock = clock
        self._most = Limits().credentialsPerUser
        self._fault: str | None = None
        self._reading: InFlight[None] = InFlight()
        self._signature: Stamp | None
        self._checkedAt: float
        found = readTable(self.path, None, self._most, rule)
        assert found is not None
        self._use(*found)
        if isFromStart(self.path):
            # That may be long ago: the first who logs in has the file looked at.
            self._checkedAt -= _RECHECK_SECONDS

    def useLimits(self, limits: Limits) -> None:
        """With another bound on credentials the file means something else."""
        self._files.resize(1, limits.hashQueue)
        if limits.credentialsPerUser != self._most:
            self._most = limits.credentialsPerUser
            self._signature, self._checkedAt = None, self._clock() - _RECHECK_SECONDS

    async def refresh(self) -> None:
        """
        Look at the file, if that was not done a moment ago.

        @raise CheckerUnavailable: too many wait for that.
        """
        if self._clock() - self._checkedAt >= _RECHECK_SECONDS:
            await self._reading.join(None, lambda: Deferred.fromCoroutine(self._read()))

    async def _read(self) -> None:
        most = self._most
        try:
            found = await self._files.run(readTable, self.path, self._signature, most, self.rule)
        except PoolFull as error:
            raise CheckerUnavailable(str(error)) from error
        except SettingError as error:
            self._keep(str(error))
        else:
            # With another bound meanwhile it means something else, and is read again.
            if found and most == self._most:
                self._use(*found)
            self._fault = None
        finally:
            self._checkedAt = self._clock()

    def _use(self, signature: Stamp, table: Table) -> None:
        self._signature, self.table = signature, table
        self._checkedAt = self._clock()
        for number, sentence in table.complaints[:_COMPLAINTS]:
            self._log.warn(
                "{path} line {number}: {sentence}",
                path=self.path,
                number=number,
                sentence=sentence,
            )
        more = len(table.complaints) - _COMPLAINTS
        if more > 0:
            self._log.warn("{path}: {more} more such lines", path=self.path, more=more)
        for mechanism, able in table.able.items():
            if 0 < able < table.usable:
                # Programs that choose one do not fall back to the password.
                self._log.warn(
                    "{path}: {mechanism} serves {able} of {users} users, and a program that"
                    " chooses it cannot log in as one of the others",
                    path=self.path,
                    mechanism=mechanism,
                    able=able,
                    users=table.usable,
                )
        self._log.info("read {path}, users: {users}", path=self.path, users=len(table.users))

    def _keep(self, fault: str) -> None:
        """Go on with the users of before, and say so once."""
        if fault != self._fault:
            self._log.error("{fault}; the users of before still count", fault=fault)
        self._fault = fault
