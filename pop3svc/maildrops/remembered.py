"""
What is kept of maildrops between their sessions, within a bound.
"""

from __future__ import annotations

from collections import OrderedDict

from ..hits import hit
from .listing import Listing

# What a listing takes besides its columns; an empty maildrop's too, lest a
# million of them pile up.
_BASE_OCTETS = 2048
# One maildrop may take so small a part. A larger one is read from its ledger in
# some milliseconds, and its memory is free between sessions.
_SHARES = 4


class RememberedListings:
    """The listings of the maildrops that were used last."""

    def __init__(self, most: int) -> None:
        """
        @param most: octets of memory, over all maildrops.
        """
        self._most = most
        self._listings: OrderedDict[bytes, Listing] = OrderedDict()
        self._octets = 0

    def bound(self, most: int) -> None:
        """A new bound, kept at once."""
        self._most = most
        self._forget()

    def get(self, path: bytes) -> Listing | None:
        """The listing of a maildrop, if it is remembered."""
        return self._listings.get(path)

    def use(self, path: bytes) -> None:
        """The listing that is remembered for this is the one that was used last."""
        self._listings.move_to_end(path)

    def put(self, path: bytes, listing: Listing) -> None:
        """Remember this as the listing that was used last."""
        self._octets -= _weight(self._listings.pop(path, None))
        # Without a ledger it would have to be measured again.
        if listing.ledger is None or _weight(listing) <= self._most // _SHARES:
            self._octets += _weight(listing)
            self._listings[path] = listing
        self._forget()

    def _forget(self) -> None:
        while self._octets > self._most:
            hit("rememberedOctets")
            _, listing = self._listings.popitem(last=False)
            self._octets -= _weight(listing)


def _weight(listing: Listing | None) -> int:
    return 0 if listing is None else _BASE_OCTETS + listing.columns.weight()
