"""
Questions of L{pop3svc.operations.questions}, asked of all workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..operations.questions import Questions
from .commands import Ask, UnknownQuestion
from .link import Link, Part

_log = Logger()

# Whoever takes longer hangs, or has been given a question that is no question.
_ANSWER_SECONDS = 5


class WorkersQuestions(Questions):
    """The parent's: it serves nobody, and so asks those who do."""

    def __init__(self, clock: IReactorTime, links: Callable[[], Sequence[Link]]) -> None:
        """@param links: to the workers that serve now."""
        super().__init__()
        self._clock = clock
        self._links = links

    def askAll(self, name: str, argument: dict[str, Any] | None = None) -> Deferred[list[Any]]:
        """
        @return: an answer of each worker that answers, in their order; C{LookupError} for
            a question that none of them has learned.
        """
        asked = []
        for link in self._links():
            answer = link.ask(Ask, name=name, argument=argument or {})
            answer.addTimeout(_ANSWER_SECONDS, self._clock)
            asked.append(answer)
        return DeferredList(asked, consumeErrors=True).addCallback(self._cbAsked, name)

    def _cbAsked(self, results: list[tuple[bool, Any]], name: str) -> list[Any]:
        if any(not good and failure.check(UnknownQuestion) for good, failure in results):
            raise LookupError(f"no worker can answer {name!r}")
        return [answer["answer"] for good, answer in results if good]


class Answers(Part):
    """A worker's side."""

    def __init__(self, questions: Questions) -> None:
        super().__init__()
        self._questions = questions

    @Ask.responder
    def answer(self, name: str, argument: dict[str, Any]) -> Deferred[dict[str, Any]]:
        """@see: L{Ask}"""
        return self._questions.answer(name, argument).addCallbacks(
            lambda answer: {"answer": answer}, self._ebAnswer, errbackArgs=(name,)
        )

    def _ebAnswer(self, failure: Failure, name: str) -> NoReturn:
        if failure.check(LookupError) and not failure.check(KeyError, IndexError):
            raise UnknownQuestion(name)
        _log.failure("the question {name} could not be answered", failure, name=name)
        failure.raiseException()
