"""
What stores and checkers may raise, and what each means to a client.

The text of these errors goes to the log, never to the wire: a client sees a
response code and a fixed sentence (RFC 2449 section 8, RFC 3206).
"""

from __future__ import annotations

from twisted.cred.error import UnauthorizedLogin


class MaildropError(Exception):
    """The base of what a store may say; raise one of the others."""


class MaildropInUse(MaildropError):
    """Another session has the maildrop: C{-ERR [IN-USE]}, logged as info."""


class MaildropUnavailable(MaildropError):
    """
    The maildrop cannot be had now and may be had later: C{-ERR [SYS/TEMP]},
    logged as a warning. Also right where a listing cannot be trusted.
    """


class MaildropShrunk(MaildropUnavailable):
    """
    Most of the maildrop is gone since the session before, and not by our hand:
    C{-ERR [SYS/TEMP]}, logged as an error, until an administrator confirms it.
    """


class MaildropBroken(MaildropError):
    """Only an administrator can mend it: C{-ERR [SYS/PERM]}, logged as an error."""


class MessageVanished(MaildropError):
    """
    A message of the snapshot is no longer there, or cannot be opened:
    C{-ERR [SYS/TEMP]} for this message alone; the session goes on.
    """


class CheckerUnavailable(Exception):
    """
    A checker cannot say now whether the credentials are good, because a
    directory is down or a queue is full: C{-ERR [SYS/TEMP]}, never counted as
    a wrong password.
    """


class LoginRefused(UnauthorizedLogin):
    """
    This checker knows the user, and the credentials are wrong or may not be
    used here. No later checker is asked; a plain C{UnauthorizedLogin} lets the
    next one of the chain try.
    """


class SettingError(ValueError):
    """
    An option, a file or an argument is wrong. The text is one sentence that
    says what to do; it ends the start with exit status 1.
    """
