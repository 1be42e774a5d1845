"""
A listing that is up to date, at the price of what has changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from ..errors import MaildropUnavailable
from .arranging import Arranging
from .columns import Columns, Rows
from .files import Directory, Stamp
from .imported import ImportedIds, parseIds
from .ledger import readLedger, writeHeader, writeLedger
from .listing import Listing
from .names import uniqueId
from .sidefiles import IMPORTED, LEDGER, SideFiles
from .slices import Slices
from .survey import DIRECTORIES, UNKNOWN, Stamps


def listMessages(
    maildir: Directory, files: SideFiles, remembered: Listing | None, most: int
) -> Slices[Listing]:
    """
    Find, order and measure the messages.

    @param files: of this maildrop.
    @param remembered: the listing of this process's last session.
    @param most: how many messages there may be.
    @return: C{remembered} itself if the Maildir has not changed.
    @raise MaildropUnavailable: there are more, or they move too fast, or
        nobody can tell their unique-ids.
    @raise OSError: a directory cannot be read, or the host has run out of
        something. Never a short listing.
    """
    imported = files.stamp(IMPORTED)
    stamps = tuple(maildir.stampOf(name) for name in DIRECTORIES)
    old = remembered
    if old is None or not old.isOf(stamps, imported):
        old = _stored(files, remembered, most)
    if imported is None and old.imported is not None:
        raise MaildropUnavailable(
            f"the imported unique-ids in {IMPORTED.decode()} are gone, and without them mail would"
            " be downloaded again; bring the file back, or leave an empty one if they are given up"
        )
    if old.isOf(stamps, imported) and len(old) <= most:
        return old
    yield
    with maildir.enter(DIRECTORIES[0]) as new, maildir.enter(DIRECTORIES[1]) as cur:
        identify = _identifier(files, imported)
        columns = old.columns
        if old.imported != imported:
            columns = yield from _identifiedAnew(columns, identify)
        arranging = Arranging((new, cur), columns, old.doubtful, identify, most)
        # Names that nobody serves, or that are not the only one of a message, are
        # not in the columns.
        known = UNKNOWN if old.twins or old.leftOut else old.stamps
        yield from arranging.run(known)
    listing = Listing(
        columns=arranging.columns,
        twins=arranging.twins,
        stamps=arranging.stamps,
        imported=imported,
        doubtful=set(arranging.unreadable),
        leftOut=arranging.leftOut,
        before=len(old),
        lost=max(0, arranging.missing - old.removed) if _isLatest(files, old, stamps) else 0,
        warned=old.warned,
        warnings=_warnings(old, arranging),
    )
    if listing.hasMessagesOf(old):
        listing.ledger, listing.seen, listing.checksum = old.ledger, old.seen, old.checksum
        if (listing.stamps, listing.leftOut, 0) == (old.stamps, old.leftOut, old.removed):
            return old
    return listing


def keep(files: SideFiles, listing: Listing) -> None:
    """
    Put a listing into the ledger, if it is not there. It serves without one too,
    so what fails is no more than a warning.
    """
    if listing.kept:
        return
    listing.kept = True
    try:
        writeHeader(files, listing)
        if listing.ledger is None:
            writeLedger(files, listing)
        listing.warned = False
    except OSError as error:
        if not listing.warned:
            listing.warnings.append(
                f"the ledger cannot be written ({os.strerror(error.errno or 0)}), so messages are"
                " measured again after a restart; make room, or name another place with ?ledger="
            )
        listing.warned = True
        with suppress(OSError):
            listing.seen = files.stamp(LEDGER)


def noteRemoval(files: SideFiles, listing: Listing, count: int, most: int) -> None:
    """
    Note that messages go because we remove them; without this the next session
    would take them for lost. Call it before.

    @param count: how many; fewer than none for those that stayed after all.
    @param most: how many messages there may be.
    """
    listing.removed = max(0, listing.removed + count)
    try:
        if files.stamp(LEDGER) == listing.ledger:
            writeHeader(files, listing)
        elif (other := readLedger(files, most)) is not None:
            # Another session has been here while our peer was silent.
            other.removed = max(0, other.removed + count)
            writeHeader(files, other)
    except OSError:
        # Better no ledger than one that tells of messages we have removed.
        with suppress(OSError):
            files.remove(LEDGER, durable=False)


def _stored(files: SideFiles, remembered: Listing | None, most: int) -> Listing:
    """The latest that is known: another process may have been here since."""
    known = remembered or Listing()
    try:
        if remembered is not None and files.stamp(LEDGER) == remembered.seen:
            return known
        return readLedger(files, most) or known
    except OSError:
        # It is there to save work, and no more.
        return known


def _isLatest(files: SideFiles, old: Listing, stamps: Stamps) -> bool:
    """
    Whether the session before has seen just this. Without a ledger another process
    may have removed something since; unless the directories are other ones, which
    no session brings about, and which took the ledger along.
    """
    if old.ledger is not None and files.stamp(LEDGER) == old.ledger:
        return True
    return any(
        was is not None and now is not None and was[:2] != now[:2]
        for was, now in zip(old.stamps, stamps, strict=True)
    )


def _identifier(files: SideFiles, imported: Stamp | None) -> Callable[[bytes], bytes]:
    """What gives a base name its unique-id; the imported ones are read at first use."""
    if imported is None:
        return uniqueId

    @cache
    def ids() -> ImportedIds:
        octets = files.readOurs(IMPORTED, orRoots=True)
        if octets is None:
            raise MaildropUnavailable(
                f"the imported unique-ids in {IMPORTED.decode()} belong neither to the service's"
                " user nor to root, and are not believed; correct their owner, or import them"
                " again"
            )
        try:
            return ImportedIds(parseIds(octets))
        except ValueError as error:
            raise MaildropUnavailable(
                f"the imported unique-ids in {IMPORTED.decode()} are damaged ({error}), and with"
                " others mail would be downloaded again; import them again"
            ) from error

    return lambda base: ids().uniqueId(base)


def _identifiedAnew(columns: Columns, identify: Callable[[bytes], bytes]) -> Slices[Columns]:
    """The same messages, with the unique-ids that are imported now."""
    rows = Rows()
    for piece in columns.pieces():
        for row in piece:
            base, place = columns.base(row), columns.place(row)
            measured = columns.octets[row], columns.signatures[row]
            rows.append(base, place, *measured, identify(base))
        yield
    return rows.columns()


def _warnings(old: Listing, arranging: Arranging) -> list[str]:
    """One sentence a trouble and maildrop, and no second time for the same."""
    texts = []
    if arranging.leftOut and arranging.leftOut != old.leftOut:
        texts.append(
            f"{arranging.leftOut} entries, {arranging.leftOutName!r} among them, are no regular"
            " files or share a name, and are left out; look at them and move them away"
        )
    news = [base for base in arranging.unreadable if base not in old.doubtful]
    if news:
        texts.append(
            f"{len(news)} messages, {news[0]!r} among them, cannot be read"
            f" ({arranging.unreadable[news[0]]}) and will not be sent; correct owner, mode or disk"
        )
    return texts
