"""
The transcript of one connection, as long as somebody traces it, or may have to.

Whose session it is is known only when it wants to log in. What came before, CAPA and
STLS, is kept for a trace of that user, a few lines of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ..core import effects
from ..core.states import State
from ..operations.audit import Subject
from .redaction import shownAnswer, shownCommand, shownReply
from .trace import Line, Trace


class Transcript:
    """
    Hears what passes over a connection, and tells those traces that it is for.
    """

    def __init__(
        self,
        subject: Subject,
        telling: Sequence[Trace],
        undecided: Sequence[Trace],
        now: Callable[[], str],
        before: int,
        done: Callable[[], None],
    ) -> None:
        """
        @param subject: changes when it is known who it is.
        @param telling: the traces that it is for.
        @param undecided: those of users.
        @param now: the time, for a line.
        @param before: how many lines to keep while nobody is known yet.
        @param done: called when it is known that no trace is for this connection.
        """
        self._subject = subject
        self._now = now
        self._done = done
        self._telling = list(telling)
        self._undecided = list(undecided)
        self._before: deque[Line] = deque(maxlen=before)
        # What is on its way already when the transcript begins.
        self._transfer = "an answer"

    def heard(self, line: bytes, state: State) -> None:
        """@param state: what the line is for."""
        isAnswer = state is State.EXCHANGE
        self._add("C", shownAnswer(line) if isAnswer else shownCommand(line))

    def heardTooLong(self) -> None:
        """A line whose rest is skipped."""
        self._add("C", "(hidden, a line that is too long)")

    def performed(self, effect: effects.Effect) -> None:
        """@param effect: what the service does next."""
        if isinstance(effect, effects.Reply):
            self.said(effect.octets)
        elif isinstance(effect, effects.CheckClaim):
            self._named(effect.claim.name)
            self._add("*", f"a login by {effect.claim.mechanism} is checked")
        elif isinstance(effect, effects.FetchVerifier):
            self._named(effect.name)
            self._add("*", f"a verifier for {effect.mechanism} is looked up")
        elif isinstance(effect, effects.SendMessage):
            self.said(effect.opening)
            self._transfer = "a message" if effect.lines is None else "the top of a message"
        elif isinstance(effect, effects.SendListing):
            self.said(effect.opening)
            self._transfer = "a listing"
        elif isinstance(effect, effects.Commit):
            self._add("*", f"messages to be removed: {len(effect.numbers)}")

    def said(self, octets: bytes) -> None:
        """A reply, or the first line of one."""
        for line in shownReply(octets):
            self._add("S", line)

    def sent(self, octets: int, whole: bool = True) -> None:
        """
        @param octets: of the answer in all, as far as it was sent.
        @param whole: nothing has failed.
        """
        text = f"that was {self._transfer}, {octets} octets with its first and last line"
        if not whole:
            what = f"only {octets} octets were" if octets else "nothing was, also no +OK,"
            text = f"that was to be {self._transfer}, and {what} sent"
        self._add("*", text)

    def loggedIn(self) -> None:
        """Nobody else will log in here: traces of others are not for it."""
        self._telling = [each for each in self._telling if each.matches(self._subject)]
        self._undecided = []
        self._before.clear()
        if not self._telling:
            self._done()

    def ended(self, reason: str) -> None:
        """@param reason: as the log has it."""
        self._add("*", f"the session ends: {reason}")

    def _named(self, name: bytes) -> None:
        """Somebody wants to log in."""
        found = [each for each in self._undecided if each.isFor(name)]
        for each in found:
            self._undecided.remove(each)
            self._telling.append(each)
            for line in self._before:
                each.tell(line)

    def _add(self, source: str, text: str) -> None:
        line = Line(self._now(), self._subject.session, source, text)
        if self._undecided:
            self._before.append(line)
        for each in self._telling:
            each.tell(line)
