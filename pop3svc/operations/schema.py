"""
What is said of an event of the audit log: its fields, levels and reasons; see L{events}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .reasons import OPERATIONS, Jail, Reasons

Value = str | int | float
Level = Literal["info", "warn", "error", "critical"]


@dataclass(frozen=True)
class Field:
    """
    @ivar name: as it stands in the log.
    @ivar kind: C{str}, C{int} or C{float}; of a C{float} a whole number is one, too.
    @ivar means: for the documents.
    @ivar optional: it stands only in records that have something to say.
    @ivar told: a sentence for C{pop3svc explain} where it stands.
    """

    name: str
    kind: type
    means: str
    optional: bool = False
    told: str = ""


@dataclass(frozen=True)
class Event:
    """
    @ivar levels: those that it may have.
    @ivar means: when it is written.
    @ivar told: for C{pop3svc explain}; field names stand in braces, C{{reason}} becomes what
        the reason means.
    @ivar fields: in the order of the log.
    @ivar todo: what an administrator can do about it.
    @ivar reasons: what C{reason} (or C{operation}) may be.
    @ivar jail: what of fail2ban counts it, whatever the reason.
    @ivar always: a flood of them is never cut.
    @ivar example: values of the fields.
    """

    name: str
    levels: tuple[Level, ...]
    means: str
    told: str
    fields: tuple[Field, ...]
    example: dict[str, Value]
    todo: str = ""
    reasons: Reasons = field(default_factory=dict)
    jail: Jail = ""
    always: bool = False

    @property
    def reasonField(self) -> str:
        """The name of the field that has the reason."""
        return "operation" if self.reasons is OPERATIONS else "reason"


def reason(means: str) -> Field:
    """The field that has the reason."""
    return Field("reason", str, means)
