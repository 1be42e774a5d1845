"""
Whether a maildrop gives the same answers whoever asks, and keeps what was imported.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ..maildrops.listing import Listing
from ..snapshot import Snapshot
from .importing import Report
from .maildirs import OurMaildir

Open = Callable[[], AbstractContextManager[OurMaildir]]


def verify(opened: Open) -> Report:
    """
    Nothing is written: where the ledger is to be deleted, it is not read instead.

    @param opened: opens the maildrop, again and again.
    @raise pop3svc.errors.MaildropError: it cannot be opened.
    """
    with opened() as maildir:
        try:
            ids = maildir.importedIds()
        except ValueError as error:
            return Report(False, [f"what was imported is damaged: {error}"])
        first = maildir.list()
    with opened() as maildir:
        second = maildir.list()
        anew = maildir.list(ledger=False)
    faults = _faults(first, ids)
    for what, other in (("a second time", second), ("without the ledger", anew)):
        faults += [f"{each} when opened {what}" for each in _changes(first, other)]
    there = set(_rows(first))
    gone = sum(base not in there for base in ids)
    report = Report(not faults, faults)
    say = report.sentences.append
    say(f"{len(first)} messages, {len(ids) - gone} of them with an imported unique-id")
    if gone:
        say(f"{gone} imported unique-ids belong to messages that have gone since")
    return report


def _faults(listing: Listing, ids: dict[bytes, bytes]) -> list[str]:
    faults = []
    try:
        Snapshot(listing.snapshot.octets, listing.snapshot.uniqueIds)
    except ValueError as error:
        faults.append(f"the ledger is wrong: {error}")
    others = [base for base, (each, _) in _rows(listing).items() if ids.get(base, each) != each]
    if others:
        faults.append(
            f"{len(others)} messages, {others[0][:80]!r} among them, do not have the unique-id that"
            " was imported"
        )
    return faults


def _changes(first: Listing, other: Listing) -> list[str]:
    """Of messages that were there both times; mail may come at any time."""
    before, after = _rows(first), _rows(other)
    common = [base for base in before if base in after]
    faults = []
    if common != [base for base in after if base in before]:
        faults.append("the order is another one")
    for what, index in (("unique-id", 0), ("size", 1)):
        changed = [base for base in common if before[base][index] != after[base][index]]
        if changed:
            faults.append(
                f"{len(changed)} messages have another {what}, {changed[0][:80]!r} first,"
            )
    return faults


def _rows(listing: Listing) -> dict[bytes, tuple[bytes, int]]:
    snapshot, bases = listing.snapshot, listing.bases
    columns = zip(snapshot.uniqueIds, snapshot.octets, strict=True)
    return {bases[row]: row_ for row, row_ in enumerate(columns)}
