"""
The servers that are compared, and how each is set to be at its best.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .server import Server

ROOT = Path(__file__).parent.parent
# What would refuse this load; all other limits stay what they are.
_LIMITS = ("connections=50000", "connections-per-network=50000", "logging-in-per-network=1000")


class Pop3svc(Server):
    """
    pop3svc as in production: audit lines in a file of their own, passwords remembered. Only the
    limits that would refuse this load are raised.

    @ivar options: further ones, for C{twistd pop3svc}.
    @ivar checkout: where the source is.
    """

    options: tuple[str, ...] = ()
    checkout = ROOT

    def command(self) -> Sequence[str]:
        listen = "interface=127.0.0.1:backlog=1024"
        start = (
            f"import sys; sys.path.insert(0, {str(self.checkout)!r});"
            " from twisted.scripts.twistd import run; run()"
        )
        return [
            *(sys.executable, "-c", start, "-n", "--pidfile=", "--uid=mail"),
            *("--logfile", str(self.directory / "twistd.log"), "pop3svc"),
            *("--pop3", f"tcp:{self.port}:{listen}", "--pop3s", f"tcp:{self.tlsPort}:{listen}"),
            *("--certificate", str(self.around.certificate)),
            *("--auth", f"passwd:{self.around.passwords}"),
            *("--maildrop", f"maildir:{self.mail}/{{user}}"),
            *("--audit-log", str(self.directory / "audit.log")),
            *(word for each in _LIMITS for word in ("--limit", each)),
            *self.options,
        ]


class Floor(Server):
    """Fixed octets, in C."""

    def command(self) -> Sequence[str]:
        around = self.around
        return [
            *(str(around.programs / "floor"), str(around.answers)),
            *(str(self.port), str(self.tlsPort), str(around.certificate)),
        ]


class Canned(Server):
    """Fixed octets, in Twisted: what its reactor and transports cost."""

    def command(self) -> Sequence[str]:
        around = self.around
        return [
            *(sys.executable, str(ROOT / "benchmarks" / "canned.py"), str(around.answers)),
            *(str(self.port), str(self.tlsPort), str(around.certificate)),
        ]


class Stock(Server):
    """What twisted.mail has, with the Maildirs it has."""

    def command(self) -> Sequence[str]:
        around = self.around
        return [
            *(sys.executable, str(ROOT / "benchmarks" / "stock.py"), str(self.mail)),
            *(str(self.port), str(self.tlsPort), str(around.certificate), str(around.passwords)),
        ]
