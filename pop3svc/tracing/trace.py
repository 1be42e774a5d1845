"""
One trace: whom it is for, and the lines that wait to be shown.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from ..errors import SettingError
from ..operations.audit import Subject

_CUT = " (cut)"


class Line(NamedTuple):
    """
    @ivar time: as ISO 8601 has it.
    @ivar source: C{C}, C{S} or C{*}.
    """

    time: str
    session: str
    source: str
    text: str


@dataclass(frozen=True)
class Target:
    """
    Whom a trace is for: one of these is not empty.

    @ivar user: the name that is given to log in, in capitals or not.
    @ivar network: an address or a network.
    @ivar session: an id of the log.
    """

    user: str = ""
    network: str = ""
    session: str = ""

    @classmethod
    def parse(cls, argument: dict[str, Any]) -> Target:
        """
        @param argument: of whoever asks for a trace.
        @raise SettingError: with a sentence for whoever asks.
        """
        given = {name: argument.get(name) or "" for name in ("user", "network", "session")}
        if sum(map(bool, given.values())) != 1 or not all(
            isinstance(each, str) for each in given.values()
        ):
            raise SettingError("name one user, one network or one session")
        try:
            network = given["network"] and str(ip_network(given["network"], strict=False))
        except ValueError as error:
            raise SettingError(
                f"a network is an address or such as 192.0.2.0/24, not {given['network']!r}"
            ) from error
        return cls(given["user"], network, given["session"])

    def __str__(self) -> str:
        kind = "user" if self.user else "network" if self.network else "session"
        return f"{kind} {self.user or self.network or self.session}"


class Trace:
    """
    @ivar target: whom it is for.
    @ivar lost: how many lines were lost since they were last taken, because nobody took
        them in time.
    """

    def __init__(self, target: Target, lines: int, letters: int) -> None:
        """
        @param lines: how many may wait.
        @param letters: how long a line may be.
        """
        self.target = target
        self.lost = 0
        self._user = target.user.encode("utf-8", "surrogateescape").lower()
        self._network = ip_network(target.network) if target.network else None
        self._lines: deque[Line] = deque(maxlen=lines)
        self._letters = letters

    def matches(self, subject: Subject) -> bool:
        """@return: whether the trace is for somebody, by what is known of them."""
        if self._network is not None:
            return _isIn(subject.peer, self._network)
        if self.target.session:
            return subject.session == self.target.session
        return self.isFor(subject.user)

    def isFor(self, name: bytes) -> bool:
        """@return: whether the trace is for the user of this name."""
        return bool(self._user) and name.lower() == self._user

    def tell(self, line: Line) -> None:
        """A line of somebody that it is for."""
        if len(self._lines) == self._lines.maxlen:
            self.lost += 1
        if len(line.text) > self._letters:
            line = line._replace(text=line.text[: self._letters] + _CUT)
        self._lines.append(line)

    def take(self, most: int) -> tuple[list[Line], int]:
        """@return: the oldest that wait, and how many were lost before them."""
        taken = [self._lines.popleft() for _ in range(min(most, len(self._lines)))]
        lost, self.lost = self.lost, 0
        return taken, lost


def _isIn(peer: str, network: Any) -> bool:
    try:
        return ip_address(peer) in network
    except ValueError:
        # A UNIX socket has no address.
        return False
