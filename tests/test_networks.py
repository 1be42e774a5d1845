"""
L{pop3svc.auth.networks}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.networks import Networks


class NetworksTests(SynchronousTestCase):
    def test_contains(self) -> None:
        networks = Networks(["192.0.2.0/24", "2001:db8::/32", "[2001:db9::]/32", "198.51.100.7"])
        for peer in ("192.0.2.0", "192.0.2.255", "2001:db8::1", "2001:db9:1::", "198.51.100.7"):
            self.assertIn(peer, networks)
        for peer in ("192.0.3.0", "2001:dba::1", "198.51.100.8", "unix", "unknown", "", "::1"):
            self.assertNotIn(peer, networks)

    def test_unix(self) -> None:
        """A socket without addresses is named on purpose."""
        self.assertIn("unix", Networks(["unix"]))
        self.assertNotIn("unknown", Networks(["unix", "0.0.0.0/0", "::/0"]))
        self.assertNotIn("unix", Networks(["0.0.0.0/0", "::/0"]))

    def test_oneAddress(self) -> None:
        for text in ("[::1]", "::1", "[::1]/128"):
            self.assertIn("::1", Networks([text]))
            self.assertNotIn("::2", Networks([text]))

    def test_hostBits(self) -> None:
        """The network that an address with a length is in."""
        self.assertIn("192.0.2.200", Networks(["192.0.2.7/24"]))

    def test_mapped(self) -> None:
        """Peers are named by their IPv4 address when they have one."""
        networks = Networks(["::ffff:192.0.2.0/120"])
        self.assertIn("192.0.2.9", networks)
        self.assertNotIn("192.0.3.9", networks)

    def test_wrong(self) -> None:
        for text in ("", "192.0.2", "192.0.2.0/33", "[192.0.2.0/24", "localhost", "::/129", "*"):
            with self.assertRaises(ValueError) as caught:
                Networks(["192.0.2.0/24", text])
            self.assertEqual(
                str(caught.exception),
                "networks are written 192.0.2.0/24, [2001:db8::]/32 or unix, with commas between",
            )
        self.assertRaises(ValueError, Networks, [])

    def test_text(self) -> None:
        """As it was written; two with one text are equal."""
        self.assertEqual(str(Networks(["[::1]", "unix"])), "[::1],unix")
        self.assertEqual(Networks(["::1"]), Networks(["::1"]))
        self.assertEqual(hash(Networks(["::1"])), hash(Networks(["::1"])))
        self.assertNotEqual(Networks(["::1"]), Networks(["::2"]))
        self.assertNotEqual(Networks(["::1"]), "::1")
