"""
The numbered messages of a Maildir, as one session sees them.

To know a size, a message must be read as a whole, so a listing builds on the one
of the session before, remembered or in the ledger: a size holds for as long as
the base name is the same. Whoever changes a file in place breaks the rules of
Maildir, and is found out when the message is opened: its signature is another
one, and the next session measures it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..snapshot import Snapshot
from .columns import NOTHING, Bases, Columns
from .files import Stamp
from .survey import UNKNOWN, Place, Stamps


@dataclass
class Listing:
    """
    What one session sees, and the next one builds on.

    @ivar columns: the messages.
    @ivar twins: further names of a message, for the few that have any.
    @ivar stamps: the times of the directories, as in L{survey}.
    @ivar imported: the stamp of the file of imported unique-ids, if there is one.
    @ivar doubtful: base names of messages to measure again in the next session;
        sessions add to it.
    @ivar leftOut: how many entries of the directories are no messages.
    @ivar removed: how many of the messages we have removed ourselves, or were
        about to, since it was made.
    @ivar before: how many messages the listing before had.
    @ivar lost: how many of those are gone that we have not removed.
    @ivar bare: the stamp that the maildrop's directory had when neither a journal nor
        imported unique-ids lay in it, if that is known.
    @ivar ledger: the stamp of the ledger that holds the same, if there is one.
    @ivar seen: the stamp of the last ledger that this is known to be no older than.
    @ivar checksum: of the ledger, but for its header.
    @ivar kept: whether the ledger says the same, or cannot be written.
    @ivar warned: whether the log knows that it cannot.
    @ivar warnings: sentences for the log that the listing before did not have.
    """

    columns: Columns = NOTHING
    twins: dict[bytes, list[Place]] = field(default_factory=dict)
    stamps: Stamps = UNKNOWN
    imported: Stamp | None = None
    doubtful: set[bytes] = field(default_factory=set)
    leftOut: int = 0
    removed: int = 0
    before: int = 0
    lost: int = 0
    bare: Stamp | None = None
    ledger: Stamp | None = None
    seen: Stamp | None = None
    checksum: int = 0
    kept: bool = False
    warned: bool = False
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def snapshot(self) -> Snapshot:
        """Sizes and unique-ids."""
        return self.columns.snapshot

    @property
    def bases(self) -> Bases:
        """A column: base names."""
        return Bases(self.columns)

    def isOf(self, stamps: Stamps, imported: Stamp | None) -> bool:
        """Whether a Maildir with these times still holds just this."""
        return self.stamps == stamps and self.imported == imported and not self.doubtful

    def hasMessagesOf(self, other: Listing) -> bool:
        """Whether a ledger of the other is one of this, but for its header."""
        return (
            self.columns is other.columns
            and self.twins == other.twins
            and self.doubtful == other.doubtful
        )
