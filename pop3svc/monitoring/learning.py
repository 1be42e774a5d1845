"""
What each process that serves learns with C{--http}.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime

from ..auth.throttle import Throttle
from ..factory import POP3Factory
from ..operations.audit import Audit
from ..operations.auditfile import AuditFile
from ..operations.questions import Questions
from ..tls import ServerTLS
from .sessions import Sessions
from .taking import Taking


def learn(
    questions: Questions,
    factories: Sequence[POP3Factory],
    audit: Audit,
    auditFile: AuditFile | None,
    certificates: Sequence[ServerTLS],
    throttle: Throttle,
    clock: IReactorTime,
) -> Taking:
    """
    Teach it to answer what L{monitor.Monitor} asks.

    @return: a part of the service.
    """
    taking = Taking(factories, audit, auditFile, certificates, throttle, clock)
    questions.learn("measures", taking.answer)
    questions.learn("sessions", Sessions(factories, audit).answer)
    return taking
