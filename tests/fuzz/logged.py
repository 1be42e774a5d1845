"""
Whether an exception was logged: that is a fault of ours, whatever the client has
sent.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer


@implementer(ILogObserver)
class LoggedErrors:
    """
    A context in which the log is listened to.

    @ivar texts: the exceptions, with their tracebacks.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __enter__(self) -> LoggedErrors:
        globalLogPublisher.addObserver(self)
        return self

    def __exit__(self, *raised: object) -> None:
        globalLogPublisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            self.texts.append(formatEvent(event) + failure.getTraceback())
