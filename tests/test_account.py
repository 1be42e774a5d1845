"""
L{pop3svc.account}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.account import Account


class AccountTests(SynchronousTestCase):
    def test_isItsName(self) -> None:
        """For whoever wants no more, it is the octets."""
        account = Account(b"karl", "/srv/karl", True, "phone")
        self.assertIsInstance(account, bytes)
        self.assertEqual(account, b"karl")
        self.assertEqual({b"karl": 1}[account], 1)

    def test_whatElseIsKnown(self) -> None:
        account = Account(b"karl", "/srv/karl", True, "phone")
        self.assertEqual(
            (account.maildrop, account.readOnly, account.credential), ("/srv/karl", True, "phone")
        )

    def test_defaults(self) -> None:
        account = Account(b"karl")
        self.assertEqual(
            (account.maildrop, account.readOnly, account.credential), (None, False, "")
        )
