"""L{pop3svc.maildrops.memory}: the example for authors."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.errors import SettingError
from pop3svc.maildrops.memory import MemoryMaildropSource, MemoryMaildropSourceFactory
from pop3svc.testing import MaildropContract


class MemoryContractTests(MaildropContract, TestCase):
    """The contract for stores."""

    def makeSource(self, messages: list[bytes]) -> MemoryMaildropSource:
        return MemoryMaildropSource({self.avatarId: messages})

    async def deliver(self, source: MemoryMaildropSource, message: bytes) -> None:  # type: ignore[override]
        source.deliver(self.avatarId, message)

    async def takeAway(self, source: MemoryMaildropSource, uniqueId: bytes) -> None:  # type: ignore[override]
        del source._maildrops[self.avatarId][uniqueId]


class MemoryTests(TestCase):
    async def test_usersAreApart(self) -> None:
        source = MemoryMaildropSource({b"karl": [b"1\n"], b"joe": [b"22\n"]})
        karl, joe = await source.openMaildrop(b"karl"), await source.openMaildrop(b"joe")
        self.assertEqual((karl.messages.octets, joe.messages.octets), ((3,), (4,)))
        self.assertNotEqual(karl.messages.uniqueIds, joe.messages.uniqueIds)

    async def test_otherProcess(self) -> None:
        """Unique-ids of an earlier life of the service are not used again."""
        ids = [
            (
                await MemoryMaildropSource({b"karl": [b"1\n"]}).openMaildrop(b"karl")
            ).messages.uniqueIds
            for _ in range(2)
        ]
        self.assertNotEqual(*ids)

    def test_noMessageZero(self) -> None:
        """0 is not the last message."""
        maildrop = self.successResultOf(
            MemoryMaildropSource({b"karl": [b"1\n"]}).openMaildrop(b"karl")
        )
        with self.assertRaises(KeyError):
            maildrop.openMessage(0)


class FactoryTests(TestCase):
    async def test_everybodyIsEmpty(self) -> None:
        source = MemoryMaildropSourceFactory().makeSource("")
        self.assertEqual(len((await source.openMaildrop(b"anybody")).messages), 0)

    async def test_files(self) -> None:
        """Everybody starts with these files, each with copies of his own."""
        names = []
        for text in (b"one\n", b"two two\n"):
            names.append(self.mktemp())
            Path(names[-1]).write_bytes(text)
        source = MemoryMaildropSourceFactory().makeSource(",".join(names))
        karl = await source.openMaildrop(b"karl")
        await karl.remove([1])
        joe = await source.openMaildrop(b"joe")
        self.assertEqual(joe.messages.octets, (5, 9))
        await karl.close()
        self.assertEqual((await source.openMaildrop(b"karl")).messages.octets, (9,))

    def test_unreadable(self) -> None:
        for name in ("/nowhere/message", "a\0b", "/"):
            with self.assertRaises(SettingError) as caught:
                MemoryMaildropSourceFactory().makeSource(name)
            self.assertTrue(
                str(caught.exception).startswith(f"name a file with a message, not {name!r}: ")
            )
