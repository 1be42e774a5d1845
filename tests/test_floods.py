"""L{pop3svc.operations.floods}: what of a flood is told, and what is remembered of it."""

from twisted.trial.unittest import TestCase

from pop3svc.operations.floods import OTHERS, FloodGuard, LeftOut


class FloodGuardTests(TestCase):
    def setUp(self) -> None:
        self.guard = FloodGuard(networks=3)

    def test_oneASecond(self) -> None:
        """The first is told; the next when a second has passed, not a moment before."""
        self.assertTrue(self.guard.pass_("abuse", "a", 10.0))
        self.assertFalse(self.guard.pass_("abuse", "a", 10.0))
        self.assertFalse(self.guard.pass_("abuse", "a", 10.75))
        self.assertEqual(self.guard.due(10.75), [])
        self.assertEqual(self.guard.due(11.0), [LeftOut("abuse", "a", 2)])
        self.assertEqual(self.guard.due(11.0), [])
        self.assertTrue(self.guard.pass_("abuse", "a", 11.0))

    def test_nothingLeftOut(self) -> None:
        self.guard.pass_("abuse", "a", 10.0)
        self.assertFalse(self.guard.counting)
        self.assertEqual(self.guard.due(20.0), [])
        self.assertEqual(self.guard.leftOut, 0)

    def test_each(self) -> None:
        """Another class or another network has a second of its own."""
        for event in ("abuse", "refused"):
            for network in ("a", "b"):
                self.assertTrue(self.guard.pass_(event, network, 10.0))
                self.assertFalse(self.guard.pass_(event, network, 10.5))
        self.assertTrue(self.guard.counting)
        self.assertEqual(
            self.guard.due(11.0),
            [LeftOut(event, who, 1) for event in ("abuse", "refused") for who in ("a", "b")],
        )
        self.assertFalse(self.guard.counting)
        self.assertEqual(self.guard.leftOut, 4)

    def test_manyNetworks(self) -> None:
        """Of one class three have lines of their own; all others are one."""
        told = [self.guard.pass_("abuse", f"n{number}", 10.0) for number in range(1000)]
        self.assertEqual(told, [True] * 3 + [False] * 997)
        self.assertTrue(self.guard.pass_("refused", "n4", 10.0))
        self.assertEqual(self.guard.due(10.9), [])
        self.assertEqual(self.guard.due(11.0), [LeftOut("abuse", OTHERS, 997)])

    def test_memory(self) -> None:
        """It does not grow with the networks, nor with time."""
        for second in range(50):
            self.guard.due(second)
            for number in range(100):
                self.guard.pass_("abuse", f"{second}-{number}", second)
            self.assertEqual(len(self.guard._seconds["abuse"]), 4)
        self.guard.due(51)
        self.assertEqual(self.guard._seconds, {})
        self.assertEqual(self.guard.leftOut, 50 * 97)

    def test_allOfIt(self) -> None:
        """At the end everything is told, whatever the time is."""
        self.guard.pass_("abuse", "a", 10.0)
        self.guard.pass_("abuse", "a", 10.0)
        self.assertEqual(self.guard.due(float("inf")), [LeftOut("abuse", "a", 1)])
