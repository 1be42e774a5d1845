"""
A listing that is suddenly short is not believed.

Mail programs forget what they knew of messages that are gone from a listing, and
download them anew when they are back. So before clients get to see that most of a
maildrop has gone, and not by our hand, somebody must say that this is right.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MaildropShrunk
from ..limits import Limits


@dataclass(frozen=True)
class Shrinking:
    """
    How much may be missing.

    @ivar percent: of the messages that the session before has seen; 0 for all.
    @ivar messages: fewer than so many are never too many.
    """

    percent: int
    messages: int

    @classmethod
    def of(cls, limits: Limits) -> Shrinking:
        """As the limits say."""
        return cls(limits.shrinkPercent, limits.shrinkMessages)

    def check(self, before: int, lost: int, what: str, avatarId: bytes) -> None:
        """
        @param before: the messages that the session before has seen.
        @param lost: how many of them are gone, but for those that we removed.
        @param what: the maildrop's name for the log, escaped.
        @raise MaildropShrunk: too many.
        """
        if self.percent and lost >= self.messages and lost * 100 > self.percent * before:
            user = avatarId.decode("ascii", "backslashreplace")
            raise MaildropShrunk(
                f"{what} has lost {lost} of the {before} messages that it had in the session"
                " before, and not by POP3; bring them back (is everything mounted?), or confirm"
                f" that it is right: pop3svc maildrop accept {user}"
            )
