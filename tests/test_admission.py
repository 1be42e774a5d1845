"""L{pop3svc.admission}: each bound at its edge, and who makes room."""

from twisted.trial.unittest import TestCase

from pop3svc.admission import Admission, Crowded, Place
from pop3svc.limits import Limits

LIMITS = Limits(connections=6, connectionsPerNetwork=4, loggingInPerNetwork=2)


class AdmissionTests(TestCase):
    def setUp(self) -> None:
        self.admission = Admission()
        self.out: list[str] = []

    def enter(self, network: str, name: str = "") -> Place:
        self.assertIs(self.admission.crowded(network, LIMITS), None)
        return self.admission.enter(network, LIMITS, lambda: self.out.append(name))

    def enterLoggedIn(self, network: str) -> Place:
        place = self.enter(network)
        place.loggedIn()
        return place

    def test_loggingIn(self) -> None:
        """Whoever logs in, or leaves, no longer counts as logging in."""
        for leave in (Place.loggedIn, Place.leave):
            self.setUp()
            first = self.enter("192.0.2.1")
            self.enter("192.0.2.1")
            self.assertIs(self.admission.crowded("192.0.2.1", LIMITS), Crowded.LOGGING_IN)
            self.assertIs(self.admission.crowded("192.0.2.2", LIMITS), None)
            leave(first)
            self.enter("192.0.2.1")
            self.assertIs(self.admission.crowded("192.0.2.1", LIMITS), Crowded.LOGGING_IN)

    def test_network(self) -> None:
        places = [self.enterLoggedIn("2001:db8::/64") for _ in range(4)]
        self.assertIs(self.admission.crowded("2001:db8::/64", LIMITS), Crowded.NETWORK)
        self.assertIs(self.admission.crowded("2001:db8:0:1::/64", LIMITS), None)
        places[1].leave()
        self.enter("2001:db8::/64")
        self.assertIs(self.admission.crowded("2001:db8::/64", LIMITS), Crowded.NETWORK)

    def test_oldestStrangerMakesRoom(self) -> None:
        """Up to the total nobody does; then one for each newcomer, the oldest first."""
        self.enter("a", "first").loggedIn()
        for number, network in enumerate("aabbc"):
            self.enter(network, f"stranger {number}")
        self.assertEqual((self.admission.total, self.out), (6, []))
        self.enter("d")
        self.assertEqual((self.admission.total, self.out), (6, ["stranger 0"]))
        # Two of "a" have left the count of those who log in.
        self.enter("a")
        self.assertEqual((self.admission.total, self.admission.strangers), (6, 5))
        self.assertEqual(self.out, ["stranger 0", "stranger 1"])
        self.assertEqual(self.admission.crowdedOut, 2)

    def test_allLoggedIn(self) -> None:
        """Then, and only then, a newcomer is refused for the sake of the total."""
        places = [self.enterLoggedIn(network) for network in "aabbcc"]
        for network in ("d", ""):
            self.assertIs(self.admission.crowded(network, LIMITS), Crowded.ALL)
        places[0].leave()
        self.enter("d")
        self.assertEqual((self.admission.total, self.out), (6, []))

    def test_noNetwork(self) -> None:
        """A UNIX socket counts for the total alone."""
        for number in range(6):
            self.enter("", str(number))
        self.enter("")
        self.assertEqual((self.admission.total, self.out), (6, ["0"]))

    def test_lowered(self) -> None:
        """After a reload with less room, strangers leave and others may stay."""
        for network in "aab":
            self.enter(network, network)
        self.enterLoggedIn("c")
        few = Limits(connections=2)
        self.admission.enter("d", few, lambda: None)
        self.assertEqual((self.admission.total, self.out), (2, ["a", "a", "b"]))

    def test_countedOnce(self) -> None:
        """Whatever is told twice, or in another order, nothing is left over."""
        place = self.enter("a")
        place.leave()
        place.leave()
        place.loggedIn()
        other = self.enter("a")
        other.loggedIn()
        other.loggedIn()
        self.assertEqual((self.admission.total, self.admission.strangers), (1, 0))
        other.leave()
        self.assertEqual((self.admission.total, self.admission.strangers), (0, 0))
        # No network is remembered that has nobody here.
        self.assertEqual(self.admission._fromNetwork, {})
        self.assertEqual(self.admission._loggingIn, {})

    def test_words(self) -> None:
        """fetchmail takes "lock" and "wait" in a refusal for a busy maildrop."""
        for each in Crowded:
            reason, text = each.value
            self.assertNotRegex(text.lower(), b"lock|wait")
            self.assertEqual(self.admission.refused[reason], 0)
