"""
Tests that every store and every checker must pass, for whoever writes one.

Mix a contract into a trial test case and say how to make what is tested::

    class MyStoreTests(MaildropContract, TestCase):
        def makeSource(self, messages):
            return MyStore(...)

    class MyCheckerTests(CheckerContract, TestCase):
        good = (b"karl", b"secret")
        def makeChecker(self):
            return MyChecker(...)
"""

from __future__ import annotations

from .auth.contract import CheckerContract
from .maildrops.contract import MaildropContract

__all__ = ["CheckerContract", "MaildropContract"]
