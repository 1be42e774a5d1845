"""
The sessions that are asked for, out of a log of any size: what is held is only theirs.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from ..errors import SettingError
from .records import Record, parse

_SESSION = re.compile(rb'[ {]"?session"?(?:=|: )"?([0-9a-f]{12})[" \r\n]')
# A session that goes on for days has many events; the first and the last tell most.
_FIRST, _LAST = 400, 100
# So many sessions may have begun since one that is still going on: it is not new then.
_SPARE = 100


@dataclass
class Found:
    """
    One session.

    @ivar omitted: how many records between the first and the last are not kept.
    """

    first: list[Record] = field(default_factory=list)
    last: deque[Record] = field(default_factory=lambda: deque(maxlen=_LAST))
    omitted: int = 0

    def add(self, record: Record) -> None:
        if len(self.first) < _FIRST:
            self.first.append(record)
            return
        self.omitted += len(self.last) == _LAST
        self.last.append(record)


@dataclass(frozen=True)
class Wanted:
    """
    @ivar needle: octets that stand in each line that can matter; empty if nobody knows.
    @ivar fits: a record says that its session is asked for.
    @ivar of: what C{left-out} names where it is about somebody who is asked for.
    """

    needle: bytes
    fits: Callable[[Record], bool]
    of: str = ""


def bySession(session: str) -> Wanted:
    """@raise SettingError: it is none."""
    if not re.fullmatch("[0-9a-f]{12}", session):
        raise SettingError(
            f"a session's id is twelve digits, as the log has it behind session=, not {session!r};"
            " --user and --peer find the last sessions of somebody"
        )
    return Wanted(session.encode(), lambda record: record.text("session") == session)


def byUser(user: str) -> Wanted:
    """@param user: as it was given to log in."""
    # As it stands in a line of either form.
    needle = json.dumps(user)[1:-1].encode()
    return Wanted(needle, lambda record: record.text("user") == user, user)


def byPeer(peer: str) -> Wanted:
    """
    @param peer: an address or a network.
    @raise SettingError: it is neither.
    """
    try:
        network = ip_network(peer, strict=False)
    except ValueError as error:
        raise SettingError(f"{peer!r} is no address, nor a network such as 192.0.2.0/24") from error

    def fits(record: Record) -> bool:
        try:
            return ip_address(record.text("peer")) in network
        except ValueError:
            return False

    single = network.num_addresses == 1
    address = str(network.network_address)
    return Wanted(address.encode() if single else b"", fits, address if single else "")


class Finder:
    """
    @ivar others: what was found that belongs to no session.
    """

    def __init__(self, wanted: Wanted, last: int) -> None:
        """@param last: how many sessions to keep."""
        self._sessions: OrderedDict[str, Found] = OrderedDict()
        self.others: deque[Record] = deque(maxlen=last)
        self._wanted = wanted
        self._last = last

    def read(self, lines: Iterable[bytes]) -> None:
        """@param lines: of a log, the oldest first."""
        sessions, needle = self._sessions, self._wanted.needle
        for line in lines:
            found = _SESSION.search(line)
            known = found is not None and found[1].decode() in sessions
            if known or needle in line:
                record = parse(line)
                if record is not None:
                    self._take(record)

    def last(self) -> list[tuple[str, Found]]:
        """@return: the last sessions that fit, as they began: their ids, and what was found."""
        return list(self._sessions.items())[-self._last :]

    def _take(self, record: Record) -> None:
        session = record.text("session")
        if session in self._sessions:
            self._sessions[session].add(record)
        elif self._wanted.fits(record):
            if not session:
                self.others.append(record)
                return
            self._sessions[session] = Found([record])
            if len(self._sessions) > self._last + _SPARE:
                self._sessions.popitem(last=False)
        elif record.event == "left-out" and self._wanted.of in record.text("of").split():
            self.others.append(record)
