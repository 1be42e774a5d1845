"""
The timestamp of APOP's greeting (RFC 1939 section 7), and CRAM-MD5's challenge,
which has the same shape (RFC 2195 section 2).

What a digest is compared with is told in L{pop3svc.auth.credentials}: only a
checker knows passwords.
"""

from __future__ import annotations

from collections.abc import Callable

# Nobody meets the same challenge twice, or guesses the next one.
_RANDOM_OCTETS = 16


def timestamp(random: Callable[[int], bytes], host: bytes) -> bytes:
    """
    C{<random@host>} with 128 random bits in hexadecimal: mpop refuses a
    timestamp with C{=}.

    @param random: gives so many octets that nobody can foretell.
    @param host: our name, of letters, digits, dots and hyphens.
    """
    return b"<%s@%s>" % (random(_RANDOM_OCTETS).hex().encode(), host)
