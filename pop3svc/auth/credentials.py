"""
What a client claims -> Cred credentials for a portal.
"""

from __future__ import annotations

from twisted.cred.credentials import UsernamePassword

from ..core.effects import PasswordClaim


def credentialsOf(claim: PasswordClaim) -> UsernamePassword:
    """The credentials that a checker for the claim's kind understands."""
    return UsernamePassword(claim.name, claim.password)
