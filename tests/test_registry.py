"""L{pop3svc.maildrops.registry}: --maildrop KIND:ARGUMENTS."""

from __future__ import annotations

from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pop3svc.errors import SettingError
from pop3svc.interfaces import IMaildropSource, IMaildropSourceFactory
from pop3svc.maildrops import registry
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.memory import MemoryMaildropSource


@implementer(IMaildropSourceFactory)
class OtherFactory:
    kind = "memory"
    argumentHelp = "WORD"

    def makeSource(self, argumentText: str) -> IMaildropSource:
        return MemoryMaildropSource({argumentText.encode(): []})


class RegistryTests(SynchronousTestCase):
    def refused(self, text: str) -> str:
        with self.assertRaises(SettingError) as caught:
            registry.makeSource(text)
        return str(caught.exception)

    def test_makeSource(self) -> None:
        """The plugins that come with pop3svc are found, arguments whole."""
        self.assertIsInstance(registry.makeSource("memory:"), MemoryMaildropSource)
        self.assertIsInstance(registry.makeSource("maildir:/{user}:x"), MaildirSource)

    def test_plugins(self) -> None:
        for factory in getPlugins(IMaildropSourceFactory):
            self.assertTrue(verifyObject(IMaildropSourceFactory, factory))

    def test_noColon(self) -> None:
        self.assertEqual(
            self.refused("maildir"),
            "a maildrop is written KIND:ARGUMENTS, not 'maildir'; --help-maildrop lists the kinds",
        )

    def test_unknownKind(self) -> None:
        self.assertEqual(
            self.refused("Maildri:/x"),
            "there is no kind of maildrop 'Maildri'; did you mean maildir?",
        )
        self.assertEqual(
            self.refused("xyz:1"),
            "there is no kind of maildrop 'xyz'; there are maildir, mbox, memory",
        )

    def test_kindTwice(self) -> None:
        """Two plugins of one kind: neither is taken by chance."""
        found = list(getPlugins(IMaildropSourceFactory))
        self.patch(registry, "getPlugins", lambda interface: [*found, OtherFactory()])
        self.assertEqual(
            self.refused("memory:"),
            "pop3svc.maildrops.memory and tests.test_registry both provide the maildrop kind"
            " 'memory'; remove one of them",
        )
        self.assertIsInstance(registry.makeSource("maildir:/{user}"), MaildirSource)

    def test_helpText(self) -> None:
        self.patch(registry, "getPlugins", lambda interface: [OtherFactory()])
        self.assertEqual(registry.helpText().rstrip(), "  memory:WORD")
        self.patch(OtherFactory, "argumentHelp", "WORD\nwhat it means\nin two lines")
        self.assertEqual(
            registry.helpText(), "  memory:WORD\n      what it means\n      in two lines"
        )

    def test_helpTextOfAll(self) -> None:
        text = registry.helpText()
        self.assertLess(text.index("  maildir:TEMPLATE["), text.index("  memory:[FILE"))
