"""
What a process can be asked.
"""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.operations.questions import Questions


class QuestionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.questions = Questions()

    def test_whatWasLearnedIsAnswered(self) -> None:
        self.questions.learn("double", lambda argument: {"is": 2 * argument["of"]})
        answers = self.successResultOf(self.questions.askAll("double", {"of": 21}))
        self.assertEqual(answers, [{"is": 42}])

    def test_anAnswerMayTakeTime(self) -> None:
        answer: Deferred[str] = Deferred()
        self.questions.learn("slow", lambda argument: answer)
        asked = self.questions.askAll("slow")
        self.assertNoResult(asked)
        answer.callback("at last")
        self.assertEqual(self.successResultOf(asked), ["at last"])

    def test_whatNobodyLearnedIsAFailure(self) -> None:
        self.failureResultOf(self.questions.askAll("weather"), LookupError)

    def test_aFaultIsAFailure(self) -> None:
        self.questions.learn("broken", lambda argument: argument["missing"])
        self.failureResultOf(self.questions.answer("broken", {}), KeyError)
