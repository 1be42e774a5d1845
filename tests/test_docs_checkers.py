"""
The checker that F{docs/checkers.rst} shows works, word for word; and the page
leaves none of ours out.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.cred.strcred import findCheckerFactories, makeChecker
from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import Interface, implementer

from pop3svc.auth import hashing
from pop3svc.auth.chain import CheckerChain
from pop3svc.auth.hashing import hashPassword
from pop3svc.errors import LoginRefused, SettingError
from pop3svc.testing import CheckerContract
from twisted import plugins

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "checkers.rst").read_text()

HASH = hashPassword("secret", iterations=1, memoryKiB=8)
OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8)


def shownPlugin() -> str:
    """The text of the page's one block of Python."""
    [block] = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE)
    return dedent(block).strip() + "\n"


def install(case: SynchronousTestCase) -> None:
    """Put the plugin where the page says, for one test."""
    folder = Path(case.mktemp()).absolute() / "twisted" / "plugins"
    folder.mkdir(parents=True)
    (folder / "csvchecker.py").write_text(shownPlugin())
    case.patch(plugins, "__path__", [*plugins.__path__, str(folder)])
    case.addCleanup(sys.modules.pop, "twisted.plugins.csvchecker", None)
    # What costs as little as the hashes of the users here.
    case.patch(hashing, "MEMORY_KIB", 8)
    case.patch(hashing, "ITERATIONS", 1)


def write(case: SynchronousTestCase, text: str) -> str:
    path = os.path.abspath(case.mktemp())
    Path(path).write_text(text)
    return path


class ShownCheckerTests(CheckerContract, TestCase):
    """The contract, on what strcred makes of C{--auth csv:FILE}."""

    others = ((b"joe", b"iluvjane"),)

    def makeChecker(self) -> ICredentialsChecker:
        if "twisted.plugins.csvchecker" not in sys.modules:
            install(self)
        return makeChecker("csv:" + write(self, f"karl,{HASH}\njoe,{OTHER}\n"))

    async def test_throughTheChain(self) -> None:
        """As the service puts it together."""
        portal = Portal(_Realm(), [CheckerChain([self.makeChecker()])])
        name, password = self.good
        answer = await portal.login(UsernamePassword(name, password), None, Interface)
        self.assertEqual(answer[1], b"karl")
        for claimed, kind in ((name, LoginRefused), (b"nobody", UnauthorizedLogin)):
            refused = portal.login(UsernamePassword(claimed, b"wrong"), None, Interface)
            await self.assertFailure(refused, kind)

    def test_wrongFile(self) -> None:
        """It is told at the start, and not with a traceback."""
        self.makeChecker()
        for text in ("karl\n", "karl,unhashed\n", f"karl,{HASH[:40]}\n"):
            self.assertRaises(SettingError, makeChecker, "csv:" + write(self, text))
        self.assertRaises(OSError, makeChecker, "csv:/nonexistent/file")


class PageTests(SynchronousTestCase):
    def test_short(self) -> None:
        self.assertLess(shownPlugin().count("\n"), 40)

    def test_everyChecker(self) -> None:
        """The table has them all, and but for Twisted's no others."""
        table = PAGE[: PAGE.index("Several in a row")]
        told = set(re.findall(r"^``([a-z0-9]+):``", table, re.MULTILINE))
        ours = {
            factory.authType
            for factory in findCheckerFactories()
            if type(factory).__module__.startswith("pop3svc.")
        }
        self.assertEqual(told, ours | {"memory", "file"})

    def test_links(self) -> None:
        """Each page that is named is there."""
        named = re.findall(r"^\.\. _[a-z0-9]+: (\S+)$", PAGE, re.MULTILINE)
        self.assertEqual([each for each in named if not (DOCS / each).exists()], [])
        self.assertEqual(len(named), 6)


@implementer(IRealm)
class _Realm:
    """Its avatars are the avatar ids."""

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: Any) -> Any:
        return succeed((interfaces[0], avatarId, lambda: None))
