"""
What is kept instead of a password, for SCRAM: fetched before anything is proved.
"""

from __future__ import annotations

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal

from .auth.credentials import IScramProof
from .auth.scram import decoyVerifier
from .core.effects import FetchVerifier
from .core.replies import Refusal
from .interfaces import IScramVerifiers, ScramVerifier
from .operations.audit import Audit, Subject
from .refusals import refuse


def verifiersOf(portal: Portal) -> IScramVerifiers | None:
    """@return: the checker for SCRAM, if there is one that has verifiers."""
    return IScramVerifiers(portal.checkers.get(IScramProof), None)


async def fetchVerifier(
    portal: Portal, wanted: FetchVerifier, subject: Subject, audit: Audit, key: bytes
) -> ScramVerifier | Refusal:
    """
    @param key: for what is shown of users that have none.
    @return: a verifier, or why there is none, which is in the log.
    """
    checker = verifiersOf(portal)
    assert checker is not None
    # Made in any case, so that it takes no longer for a user who has none.
    decoy = decoyVerifier(key, wanted.hashName, wanted.name, checker.scramShape)
    try:
        return await checker.scramVerifier(wanted.hashName, wanted.name) or decoy
    except UnauthorizedLogin:
        return decoy
    except Exception as error:
        return refuse(error, subject, audit)
