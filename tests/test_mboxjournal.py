"""
L{pop3svc.maildrops.mboxjournal}: a removal that is interrupted anywhere.

Each test counts the system calls of a session, then has a session die after each
of them in turn.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from pop3svc.errors import MaildropError, MaildropUnavailable
from pop3svc.maildrops import mboxjournal, mboxlines, mboxlisting
from pop3svc.maildrops.mbox import MboxSource

from .mboxes import Crash, MboxTestCase, System, Threadless, deliver, entry

MESSAGES = [b"Subject: %d\n\n%s\n" % (number, b"x" * 9 * number) for number in range(1, 7)]
# All of them, the first and some in the middle, and the last ones.
REMOVALS = ([1, 2, 3, 4, 5, 6], [1, 3, 4], [5, 6])


class CrashTestCase(MboxTestCase):
    """
    @ivar system: what makes the calls.
    """

    def setUp(self) -> None:
        super().setUp()
        self.system = System(self)
        self.clock = Clock()
        # So that a message takes several blocks.
        for module in (mboxjournal, mboxlines, mboxlisting):
            self.patch(module, "BLOCK_OCTETS", 100)

    def fresh(self) -> None:
        """Nothing is there but the messages, and what a session before has made."""
        for path in (*self.root.glob("karl*"), *self.root.glob(".pop3svc/karl.[ij]*")):
            path.unlink()
        self.octets = b"".join(map(entry, MESSAGES))
        self.mbox.write_bytes(self.octets)

    def restarted(self) -> MboxSource:
        """The service that comes after the crash."""
        self.system.recover()
        source = MboxSource(f"{self.root}/{{user}}", clock=self.clock)
        source._pool = Threadless()  # type: ignore[assignment]
        return source

    def session(self, source: MboxSource, numbers: list[int]) -> None:
        """Remove these, and leave."""
        maildrop = self.successResultOf(source.openMaildrop(b"karl"))
        self.assertEqual(self.successResultOf(maildrop.remove(numbers)), [])
        self.successResultOf(maildrop.close())

    def listed(self, source: MboxSource) -> list[bytes]:
        """What the next session finds, unless it finds that it cannot be told."""
        maildrop = self.successResultOf(source.openMaildrop(b"karl"))
        contents = self.successResultOf(Deferred.fromCoroutine(self.contents(maildrop)))
        self.successResultOf(maildrop.close())
        return contents

    def outcome(self, waiting: Deferred[Any]) -> Any:
        """A result or a failure, once all pauses are over."""
        results: list[Any] = []
        waiting.addBoth(results.append)
        for _ in range(20):
            if not results:
                self.clock.advance(1)
        return results[0]

    def left(self, numbers: list[int]) -> list[bytes]:
        return [each for number, each in enumerate(MESSAGES, 1) if number not in numbers]

    def count(self, numbers: list[int]) -> int:
        """How many system calls a session makes; it is not the first one."""
        for removed in ([], numbers):
            self.fresh()
            self.session(self.restarted(), removed)
        return len(self.system.calls)


class CrashTests(CrashTestCase):
    def crash(self, numbers: list[int], half: bool, between: Callable[[], None]) -> set[bool]:
        """
        A session dies after each call in turn.

        @param half: and so that a write is made by half.
        @param between: what happens before the service is back.
        @return: whether messages were removed, and whether not.
        """
        outcomes = set()
        for nth in range(self.count(numbers)):
            self.fresh()
            source = self.restarted()
            self.system.crashAfter(nth, half)
            died = False
            try:
                self.session(source, numbers)
            except (Crash, self.failureException):
                died = True
            self.assertTrue(died, nth)
            self.flushLoggedErrors()
            restarted = self.restarted()
            between()
            contents = self.listed(restarted)
            removed = contents[: len(MESSAGES)] != MESSAGES
            expected = self.left(numbers) if removed else MESSAGES
            if between == self.deliver:
                expected = [*expected, b"new\n"]
            self.assertEqual(contents, expected, f"after {self.system.calls[:1]} {nth}")
            self.assertEqual(list(self.root.glob("*.lock")), [])
            self.assertEqual(list(self.root.glob(".pop3svc/*journal*")), [])
            outcomes.add(removed)
        return outcomes

    def deliver(self) -> None:
        deliver(self.mbox, b"new\n")

    def test_crash(self) -> None:
        """All or none is removed, whatever the last call was."""
        for numbers in REMOVALS:
            self.assertEqual(self.crash(numbers, False, lambda: None), {True, False})

    def test_halfAWrite(self) -> None:
        """The same, with the last write made by half."""
        for numbers in REMOVALS[1:2]:
            self.assertEqual(self.crash(numbers, True, lambda: None), {True, False})

    def test_deliveredMeanwhile(self) -> None:
        """Mail that came after the crash, and before the next login, is there."""
        for numbers in REMOVALS[:2]:
            self.assertEqual(self.crash(numbers, False, self.deliver), {True, False})

    def test_crashInRecovery(self) -> None:
        """A second crash, anywhere in what makes good for the first one."""
        for delivered in (False, True):
            nth, finished = 0, False
            while not finished:
                self.interrupt()
                if delivered:
                    self.deliver()
                restarted = self.restarted()
                self.system.crashAfter(nth)
                try:
                    self.listed(restarted)
                    finished = True
                except (Crash, self.failureException):
                    nth += 1
                self.flushLoggedErrors()
                expected = [*self.left([1, 3]), *([b"new\n"] if delivered else [])]
                self.assertEqual(self.listed(self.restarted()), expected)
            self.assertGreater(nth, 20)

    def interrupt(self, numbers: tuple[int, ...] = (1, 3)) -> None:
        """A session dies while it writes over the mbox."""
        self.fresh()
        source = self.restarted()
        writes = 0

        def dying(name: str) -> None:
            nonlocal writes
            writes += name == "pwrite"
            if writes == 3:
                self.system._spoil = lambda *args: self.die()
                raise Crash

        self.system._after = dying
        try:
            self.session(source, list(numbers))
        except (Crash, self.failureException):
            self.flushLoggedErrors()
        self.assertEqual(writes, 3)
        self.restarted()

    @staticmethod
    def die() -> None:
        raise Crash

    def test_rewrittenMeanwhile(self) -> None:
        """Somebody has rewritten the file in between: it stays as it is, and nothing is lost."""
        self.interrupt()
        rewritten = entry(MESSAGES[4]) + entry(b"other\n")
        self.mbox.write_bytes(rewritten)
        with capturedLogs() as logs:
            self.assertEqual(self.listed(self.restarted()), [MESSAGES[4], b"other\n"])
        self.assertRegex(logs[0]["text"], "somebody else has rewritten the file")
        self.assertEqual(self.mbox.read_bytes(), rewritten)
        aside = (self.root / ".pop3svc" / "karl.journal.aside").read_bytes()
        self.assertTrue(all(each in aside for each in self.left([1, 3])))

    def test_replacedMeanwhile(self) -> None:
        """A restored copy is another file, and no removal goes on in it."""
        self.interrupt()
        (self.root / "copy").write_bytes(self.octets)
        (self.root / "copy").rename(self.mbox)
        self.assertEqual(self.listed(self.restarted()), MESSAGES)
        self.assertEqual(self.mbox.read_bytes(), self.octets)

    def test_removedMeanwhile(self) -> None:
        """The file is gone, and what should have been kept is not: no empty maildrop."""
        self.interrupt()
        self.mbox.unlink()
        failure = self.failureResultOf(self.restarted().openMaildrop(b"karl"), MaildropUnavailable)
        self.assertRegex(str(failure.value), r"what was left in it is in 'karl.journal'")

    def test_spoiltJournal(self) -> None:
        """One that is not whole is not followed."""
        for spoil in (
            lambda octets: octets[:-1],
            lambda octets: b"",
            lambda octets: octets[:10] + b"?" + octets[11:],
            lambda octets: octets.replace(b"journal 1 ", b"journal 1 1"),
        ):
            self.interrupt()
            journal = self.root / ".pop3svc" / "karl.journal"
            journal.write_bytes(spoil(journal.read_bytes()))
            self.mbox.write_bytes(self.octets)
            with capturedLogs() as logs:
                self.assertEqual(self.listed(self.restarted()), MESSAGES)
            self.assertRegex(logs[0]["text"], "a journal that is not whole was moved aside")

    def test_completedIsTold(self) -> None:
        self.interrupt()
        with capturedLogs() as logs:
            self.listed(self.restarted())
        self.assertEqual(logs[0]["text"], "a removal that was interrupted has been completed")


class FaultTests(CrashTestCase):
    """Each system call of a session fails in turn, in each way."""

    CODES = (
        *(errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENOSPC),
        *(errno.EIO, errno.EMFILE, errno.ESTALE, errno.EINTR),
    )

    def test_faults(self) -> None:
        """
        Whatever fails: what is read is right, or an error of ours; what is said
        to be removed is, and all or none is; the next session finds the rest.
        """
        numbers = [1, 3, 4]
        for code in self.CODES:
            for nth in range(self.count(numbers)):
                self.fresh()
                source = self.restarted()
                self.system.failNth(nth, code)
                told = self.attempt(source, numbers)
                self.flushLoggedErrors()
                contents = self.listed(self.restarted())
                if told == []:
                    self.assertEqual(contents, self.left(numbers), f"{nth} {errno.errorcode[code]}")
                else:
                    self.assertIn(contents, (MESSAGES, self.left(numbers)))

    def attempt(self, source: MboxSource, numbers: list[int]) -> Any:
        """What remove() has answered, if it came so far."""
        maildrop = self.outcome(source.openMaildrop(b"karl"))
        if self.isError(maildrop):
            return None
        self.assertEqual(len(maildrop.messages), len(MESSAGES))
        for number, message in enumerate(MESSAGES, 1):
            content = self.outcome(Deferred.fromCoroutine(self.content(maildrop, number)))
            if not self.isError(content):
                self.assertEqual(content, message)
        told = self.outcome(maildrop.remove(numbers))
        self.assertIn(told, ([], numbers))
        # What fails here is told, and the kernel frees the locks all the same.
        closed = self.outcome(maildrop.close())
        self.assertTrue(closed is None or closed.check(OSError))
        other = self.restarted()
        self.successResultOf(self.successResultOf(other.openMaildrop(b"karl")).close())
        return told

    def isError(self, result: Any) -> bool:
        if not hasattr(result, "trap"):
            return False
        result.trap(MaildropError)
        return True

    def test_fullDisk(self) -> None:
        """To remove some needs room for a journal, to remove the last ones does not."""
        for call in ("write", "pwrite"):
            for numbers, done in (([1, 3], False), ([5, 6], True), ([1, 2, 3, 4, 5, 6], True)):
                self.fresh()
                source = self.restarted()
                self.session(source, [])
                maildrop = self.successResultOf(source.openMaildrop(b"karl"))
                self.system.failAll(call, errno.ENOSPC)
                with capturedLogs() as logs:
                    told = self.successResultOf(maildrop.remove(numbers))
                self.assertEqual(told, [] if done else numbers)
                if not done:
                    self.assertEqual(logs[-1]["reason"], "No space left on device")
                self.successResultOf(maildrop.close())
                self.assertEqual(
                    self.listed(self.restarted()),
                    self.left(numbers if done or call == "pwrite" else []),
                )
