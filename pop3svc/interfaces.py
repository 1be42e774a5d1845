"""
All that a third party implements to serve messages from anything.

Checkers need nothing of ours: they are Cred's C{ICredentialsChecker} with
strcred's C{ICheckerFactory}. What they may be asked to check besides passwords
stands in L{pop3svc.auth.credentials}; for SCRAM they provide L{IScramVerifiers}.
L{pop3svc.errors} says what may be raised, L{pop3svc.testing} holds the tests that
an implementation must pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from .limits import Limits
    from .snapshot import Snapshot


class IMessageReader(Interface):
    """One message, opened."""

    def read(octets: int) -> Deferred[bytes]:
        """
        The next octets as stored: with LF or CRLF, cut anywhere.

        @param octets: how many at the most.
        @return: 1 to C{octets} octets, or none at the end of the message.
        """

    def close() -> None:
        """Let go of it. Called once, on every path; does not block or raise."""


class IMaildrop(Interface):
    """
    The avatar: one user's maildrop, opened and locked for one session.

    Deletion marks belong to the session; a store hears of them once.
    Message-numbers start with 1, everywhere.
    """

    messages: Snapshot = Attribute(
        "The L{pop3svc.snapshot.Snapshot}, which does not change while the session lives."
    )

    def openMessage(number: int) -> Deferred[IMessageReader]:
        """
        @param number: the message-number, 1 to C{len(messages)}.
        @return: fails with L{pop3svc.errors.MessageVanished} when the message
            is no longer there.
        """

    def remove(numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        """
        Remove messages for good, so that a crash after the answer brings none
        back. Called at most once, in UPDATE (RFC 1939 section 6).

        @param numbers: the message-numbers to remove, ascending.
        @return: the numbers that could not be removed; a message that is
            gone already counts as removed.
        """

    def close() -> Deferred[None]:
        """
        Free the lock. Called exactly once, after everything else, on every path.
        """


class IReadyMessages(Interface):
    """
    A maildrop that can have most messages without waiting provides this too. It is not
    needed, but saves half of what it costs to send a small message.
    """

    def readyMessage(number: int) -> bytes | None:
        """
        Called instead of C{openMessage}, and first.

        @param number: a message-number.
        @return: all octets of the message, as C{openMessage} would let them be read;
            C{None} where that has to say, because the message is large, or must be
            waited for, or something is wrong.
        """


class IRelenting(Interface):
    """
    A maildrop whose lock can be given away and taken back provides this too.

    A session whose peer has been silent for C{takeover-seconds} relents, so that
    another one may have the maildrop; it reclaims the lock before the peer's next
    command. Both are called while nothing else is under way; in between, nothing
    but C{reclaim} and C{close}. A store without this keeps its lock to the end.
    """

    def relent() -> Deferred[None]:
        """Free the lock, and keep what C{reclaim} needs to find out what happened."""

    def reclaim() -> Deferred[bool]:
        """
        Lock the maildrop again.

        @return: C{True} when this session has the lock, and every message of its
            snapshot is still there; what was delivered meanwhile does not matter.
            C{False} when another session has the lock, or somebody has removed
            something: then this session ends, and only C{close} follows, which
            frees no lock but its own.
        """


class IMaildropSource(Interface):
    """Where maildrops lie."""

    def openMaildrop(avatarId: bytes) -> Deferred[IMaildrop]:
        """
        Open and lock a maildrop.

        @param avatarId: what the checker said the user is.
        @return: fails with an error of L{pop3svc.errors}; never with a listing
            that is falsely empty or short.
        """


class IMaildropSourceFactory(Interface):
    """
    A kind of store, for C{--maildrop KIND:ARGUMENTS}.

    Provide it together with C{twisted.plugin.IPlugin} from a module of the
    package C{twisted.plugins}.
    """

    kind: str = Attribute("The word before the colon.")
    argumentHelp: str = Attribute("The shape of the arguments and what they mean, for the help.")

    def makeSource(argumentText: str) -> IMaildropSource:
        """
        @param argumentText: what stands behind C{KIND:}.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """


class ILoginListener(Interface):
    """Provided by what is passed to C{Portal.login} as the mind, if it wants to know."""

    def loggedInAs(avatarId: bytes) -> None:
        """
        The checker has said who the user is; the maildrop is not open yet.

        @param avatarId: may be a L{pop3svc.account.Account}.
        """


class ILimited(Interface):
    """
    A source or a checker that keeps to the service's limits provides this too.
    """

    def useLimits(limits: Limits) -> None:
        """Called before the first connection, and again when limits are reloaded."""


@dataclass(frozen=True)
class ScramVerifier:
    """
    What a server keeps for SCRAM instead of a password (RFC 5802 section 3);
    L{pop3svc.auth.scram} makes one.

    @ivar salt: random octets, a user's own.
    @ivar iterations: of PBKDF2.
    @ivar storedKey: checks a client's proof.
    @ivar serverKey: signs for the server.
    """

    salt: bytes
    iterations: int
    storedKey: bytes = field(repr=False)
    serverKey: bytes = field(repr=False)


class IScramVerifiers(Interface):
    """
    A checker that keeps SCRAM verifiers provides this too, and has
    L{pop3svc.auth.credentials.IScramProof} among its C{credentialInterfaces}.
    """

    scramHashes: frozenset[str] = Attribute(
        "C{SHA-1}, C{SHA-256} or both: the mechanisms to be offered. A program that"
        " chooses SCRAM does not fall back to a password: whoever has no verifier needs"
        " another setting in it."
    )
    scramShape: tuple[int, int] = Attribute(
        "How many octets of salt and how many iterations its verifiers have. A user who"
        " has none, or does not exist, is shown the same."
    )

    def scramVerifier(hashName: str, username: bytes) -> Deferred[ScramVerifier | None]:
        """
        Called before anything is proved, and not counted as an attempt to log
        in: C{requestAvatarId} follows with the proof, or nothing.

        @param hashName: C{SHA-1} or C{SHA-256}.
        @return: C{None} for a user unknown, or without such a verifier.
        """
