"""
What a worker is told when it is started, as JSON in a memory file.

Nothing is parsed or decided twice: the parent's options are handed over as it has
understood them, with those of the demo, of the configuration file, and absolute paths.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_network
from typing import Any

from ..limits import Limits
from ..listeners import ListenerSettings
from ..options import Options
from ..servicekey import masterKey
from ..startfiles import Kept, Stamp, memoryFile, readMemory

# The descriptors of a worker: nothing to read, two for whatever libraries print, and ours.
LINK, LOG, ORDERS = 3, 4, 5
FIRST_OTHER = 6


@dataclass(frozen=True)
class Orders:
    """
    Descriptors are numbers of the process that holds this.

    @ivar number: of the worker, from 1.
    @ivar workers: how many there are to be.
    @ivar reactor: which one is to run, as twistd's C{--reactor} names it, if it was given.
    @ivar directory: the descriptor of the one in which twistd was started.
    @ivar options: those with one value.
    @ivar given: those with a list of values.
    @ivar listeners: each with the descriptor of its socket.
    @ivar key: the service's master key.
    @ivar scramKey: see L{pop3svc.factory.POP3Factory}.
    @ivar auditLog: the descriptor of the audit log, if it is a file.
    @ivar files: what is read at the start, by path.
    @ivar shared: the descriptors that parts share, each by a name of its own.
    """

    number: int
    workers: int
    reactor: str | None
    directory: int
    options: dict[str, Any]
    given: dict[str, list[str]]
    limits: Limits
    listeners: list[tuple[ListenerSettings, int]]
    scramKey: bytes
    key: bytes = field(default_factory=masterKey)
    auditLog: int | None = None
    files: Mapping[str, Kept] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)

    def write(self) -> tuple[int, dict[int, int]]:
        """
        @return: the descriptor of a memory file to be closed by the caller, and which
            other descriptors of ours become which of the worker's.
        """
        inherited: dict[int, int] = {}

        def inherit(descriptor: int) -> int:
            inherited[FIRST_OTHER + len(inherited)] = descriptor
            return FIRST_OTHER + len(inherited) - 1

        words: dict[str, Any] = {
            **{name: getattr(self, name) for name in _PLAIN},
            "limits": asdict(self.limits),
            "listeners": [
                {**asdict(each), "networks": [str(one) for one in each.networks], _AT: inherit(at)}
                for each, at in self.listeners
            ],
            "scramKey": self.scramKey.hex(),
            "key": self.key.hex(),
            "directory": inherit(self.directory),
            "auditLog": None if self.auditLog is None else inherit(self.auditLog),
            "files": {path: [inherit(at), *stamp] for path, (at, stamp) in self.files.items()},
            "shared": {name: inherit(at) for name, at in self.shared.items()},
        }
        return memoryFile(json.dumps(words).encode()), inherited

    @classmethod
    def read(cls, descriptor: int) -> Orders:
        """@param descriptor: of what L{write} has made."""
        words = json.loads(readMemory(descriptor))
        return cls(
            **{name: words[name] for name in (*_PLAIN, "directory", "auditLog", "shared")},
            limits=Limits(**words["limits"]),
            listeners=[_listener(each) for each in words["listeners"]],
            scramKey=bytes.fromhex(words["scramKey"]),
            key=bytes.fromhex(words["key"]),
            files={path: Kept(at, Stamp(*of)) for path, (at, *of) in words["files"].items()},
        )

    def madeOptions(self) -> Options:
        """As the parent has them, without twistd's."""
        options = Options()
        options.update(self.options)
        options.given = self.given
        options.listeners = []
        options.limits = self.limits
        return options


_PLAIN = ("number", "workers", "reactor", "options", "given")
_AT = "descriptor"


def _listener(words: dict[str, Any]) -> tuple[ListenerSettings, int]:
    descriptor = words.pop(_AT)
    settings = ListenerSettings(**words)
    networks = tuple(ip_network(each) for each in settings.networks)
    return replace(settings, networks=networks), descriptor
