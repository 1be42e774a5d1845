"""
L{pop3svc.auth.names}.
"""

from __future__ import annotations

import sys
from unittest import mock

from hypothesis import given
from hypothesis.strategies import binary
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth import names
from pop3svc.auth.names import UnfitName, normalised
from pop3svc.errors import SettingError


class NormalisedTests(SynchronousTestCase):
    @given(binary(max_size=40))
    def test_plain(self, name: bytes) -> None:
        """Octet for octet."""
        self.assertEqual(normalised(name), name)

    def test_precis(self) -> None:
        """Case, width and composition are no difference (RFC 8265 section 3.3)."""
        for name in ("KÄRL@Example.ORG", "ka\u0308rl@example.org", "\uff4bärl@example.org"):
            self.assertEqual(normalised(name.encode(), "precis"), "kärl@example.org".encode())

    def test_unfit(self) -> None:
        for name in (b"", b"a b", b"\xe4", b"a\0", "\u265a".encode(), b"a\x7f"):
            self.assertRaises(UnfitName, normalised, name, "precis")

    @given(binary(max_size=40))
    def test_anyOctets(self, name: bytes) -> None:
        """There is a form, or no user can have the name; nothing else happens."""
        try:
            self.assertNotEqual(normalised(name, "precis"), b"")
        except UnfitName as error:
            self.assertEqual(str(error), "the user name is none that RFC 8265 allows")

    def test_missingLibrary(self) -> None:
        names._profile.cache_clear()
        self.addCleanup(names._profile.cache_clear)
        with mock.patch.dict(sys.modules, {"precis_i18n": None}):
            error = self.assertRaises(SettingError, normalised, b"karl", "precis")
        self.assertEqual(
            str(error), "names=precis needs another library; run: pip install 'pop3svc[precis]'"
        )
