"""
Giving a maildrop the unique-ids of another server, and saying what came of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import SettingError
from ..maildrops.imported import ImportedIds
from ..maildrops.listing import Listing
from .maildirs import OurMaildir
from .sources import Show, Source


@dataclass
class Report:
    """
    @ivar complete: each message has the unique-id that the old server gave it.
    @ivar sentences: for people.
    """

    complete: bool
    sentences: list[str] = field(default_factory=list)


def importIds(
    maildir: OurMaildir, source: Source, replace: bool, dryRun: bool, show: Show
) -> Report:
    """
    @param maildir: whose.
    @param replace: what was imported before may be given up.
    @param dryRun: only say what would be done.
    @param show: is told what is done, how much of it, and of how much.
    @raise SettingError: nothing was changed.
    @raise pop3svc.errors.MaildropError: as well.
    """
    before = _importedBefore(maildir, replace)
    if not dryRun:
        maildir.completeRemoval()
    listing = maildir.list(imported=before is not None)
    found = source.find(maildir, listing, show)
    ids = _merged(before or {}, found.ids, replace)
    missing = [base for base in _bases(listing) if base not in found.ids]
    report = Report(not missing and not found.doubts)
    say = report.sentences.append
    say(f"{len(found.ids)} of {len(listing)} messages get the unique-id that they had")
    if missing:
        say(
            f"{len(missing)} have none there, {missing[0][:80]!r} among them; mail programs that"
            " have seen them download them again"
        )
    if found.gone:
        say(f"{found.gone} others are there, and not in this maildrop")
    report.sentences += found.doubts + found.notes
    if dryRun:
        say("nothing is written, as this is a dry run")
    elif ids == before or not ids:
        say("nothing is to be written")
    else:
        _write(maildir, ids, listing)
        say("written")
    return report


def _importedBefore(maildir: OurMaildir, replace: bool) -> dict[bytes, bytes] | None:
    """L{None} where it is damaged and need not be kept."""
    try:
        return maildir.importedIds()
    except ValueError as error:
        if replace:
            return None
        raise SettingError(
            f"what was imported before is damaged ({error}); give it up with --replace"
        ) from error


def _merged(
    before: dict[bytes, bytes], ids: dict[bytes, bytes], replace: bool
) -> dict[bytes, bytes]:
    """@raise SettingError: they contradict each other."""
    if replace:
        return ids
    owners = {identity: base for base, identity in before.items()}
    for base, identity in ids.items():
        if before.get(base, identity) != identity or owners.get(identity, base) != base:
            raise SettingError(
                f"an import before gave {base[:80]!r} another unique-id, or this one to another"
                " message, and mail programs may know that; --replace gives up what was imported"
            )
    return before | ids


def _write(maildir: OurMaildir, ids: dict[bytes, bytes], before: Listing) -> None:
    try:
        maildir.writeIds(ids)
    except OSError as error:
        raise SettingError(
            f"the unique-ids cannot be written ({os.strerror(error.errno or 0)}), and all is as"
            " before; make room, or correct owner and mode"
        ) from error
    # As the next session sees it, which then has nothing left to do.
    listing = maildir.list(before=before)
    imported = ImportedIds(ids)
    for base, identity in zip(_bases(listing), listing.snapshot.uniqueIds, strict=True):
        if imported.uniqueId(base) != identity:
            raise SettingError(f"{base[:80]!r} has another unique-id than was imported")
    maildir.keep(listing)


def _bases(listing: Listing) -> Iterator[bytes]:
    bases = listing.bases
    return (bases[row] for row in range(len(bases)))
