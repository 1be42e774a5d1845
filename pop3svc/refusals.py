"""
What a client gets to see of the errors of checkers and stores, and what the log gets.
"""

from __future__ import annotations

from twisted.cred.error import UnauthorizedLogin

from .core.replies import Refusal
from .errors import (
    CheckerUnavailable,
    MaildropBroken,
    MaildropError,
    MaildropInUse,
    MaildropShrunk,
)
from .hits import hit
from .operations.audit import Audit, Subject
from .pools import PoolFull

# What stays as it is until an administrator acts.
_LASTING = (MaildropBroken, MaildropShrunk)


def refuse(error: Exception, subject: Subject, audit: Audit) -> Refusal:
    """Called while the error is handled."""
    why = refusalOf(error)
    detail = str(error) if why is Refusal.WRONG else ""
    audit.loginRefused(subject, why.name.lower().replace("_", "-"), detail)
    if isinstance(error, CheckerUnavailable | PoolFull):
        audit.checkerFault(subject, str(error))
    elif isinstance(error, MaildropError) and why is not Refusal.IN_USE:
        audit.storeFault(subject, "open", str(error), isinstance(error, _LASTING))
        if isinstance(error, MaildropShrunk):
            hit("shrinkPercent")
    elif why is Refusal.TEMPORARY:
        audit.fault(subject, "login")
    return why


def refusalOf(error: Exception) -> Refusal:
    """What a client is told about an error; its text stays with us."""
    if isinstance(error, UnauthorizedLogin):
        return Refusal.WRONG
    if isinstance(error, MaildropInUse):
        return Refusal.IN_USE
    if isinstance(error, MaildropBroken):
        return Refusal.PERMANENT
    return Refusal.TEMPORARY
