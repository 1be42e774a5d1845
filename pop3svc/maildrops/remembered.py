"""
What is kept of maildrops between their sessions, within a bound.
"""

from __future__ import annotations

from collections import OrderedDict

from .listing import Listing


class RememberedListings:
    """The listings of the maildrops that were used last."""

    def __init__(self, most: int) -> None:
        """
        @param most: messages to remember, over all maildrops.
        """
        self._most = most
        self._listings: OrderedDict[bytes, Listing] = OrderedDict()
        self._messages = 0

    def bound(self, most: int) -> None:
        """A new bound, kept at once."""
        self._most = most
        self._forget()

    def get(self, path: bytes) -> Listing:
        """The listing of a maildrop, or an empty one."""
        listing = self._listings.get(path)
        return Listing() if listing is None else listing

    def put(self, path: bytes, listing: Listing) -> None:
        """Remember this as the listing that was used last."""
        self._messages -= _weight(self._listings.pop(path, None))
        self._messages += _weight(listing)
        self._listings[path] = listing
        self._forget()

    def _forget(self) -> None:
        while self._messages > self._most:
            _, listing = self._listings.popitem(last=False)
            self._messages -= _weight(listing)


def _weight(listing: Listing | None) -> int:
    """An empty maildrop counts as one message, lest a million of them pile up."""
    return 0 if listing is None else max(1, len(listing))
