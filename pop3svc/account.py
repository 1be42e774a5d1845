"""
The avatar id of a user of whom more than a name is known.
"""

from __future__ import annotations


class Account(bytes):
    """
    A user's name, which is all that a store need look at, with what the
    checker knows besides. It is equal to the bare name.

    @ivar maildrop: the absolute path of this user's maildrop, in place of what
        the source would make of the name; C{None} for that.
    @ivar readOnly: nothing may be removed with these credentials.
    @ivar credential: the name of the application password that was used;
        empty for the user's main one.
    """

    maildrop: str | None
    readOnly: bool
    credential: str

    def __new__(
        cls,
        name: bytes,
        maildrop: str | None = None,
        readOnly: bool = False,
        credential: str = "",
    ) -> Account:
        account = super().__new__(cls, name)
        account.maildrop = maildrop
        account.readOnly = readOnly
        account.credential = credential
        return account
