"""
The store that F{docs/stores.rst} shows works, word for word; and the page tells of
every error and every interface.
"""

from __future__ import annotations

import contextlib
import os
import poplib
import re
import sqlite3
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import twisted.trial.unittest
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.interface import InterfaceClass

from pop3svc import errors, interfaces
from pop3svc.canonical import canonicalOctets
from pop3svc.errors import SettingError
from pop3svc.maildrops.registry import makeSource
from pop3svc.testing import MaildropContract
from twisted import plugins

from .running import RunningService, freePort

PAGE = (Path(__file__).parent.parent / "docs" / "stores.rst").read_text()


def shown(language: str) -> list[str]:
    """The page's blocks in a language."""
    blocks = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", PAGE)
    return [dedent(each).strip() + "\n" for each in blocks]


PLUGIN, CASE = shown("python")
SCHEMA, INDEX = shown("sql")[0].split(";\n", 1)


def install(case: SynchronousTestCase) -> Path:
    """
    Put the plugin where the page says, for one test.

    @return: what is to be on Python's path.
    """
    root = Path(case.mktemp()).absolute()
    folder = root / "twisted" / "plugins"
    folder.mkdir(parents=True)
    (folder / "sqlitestore.py").write_text(PLUGIN)
    case.patch(plugins, "__path__", [*plugins.__path__, str(folder)])
    case.addCleanup(sys.modules.pop, "twisted.plugins.sqlitestore", None)
    return root


# The page's test case, as it stands there.
_shown: dict[str, Any] = {
    "MaildropContract": MaildropContract,
    "SCHEMA": SCHEMA,
    "canonicalOctets": canonicalOctets,
    "SQLiteSource": lambda path: makeSource(f"sqlite:{path}"),
    "contextlib": contextlib,
    "sqlite3": sqlite3,
    "twisted": twisted,
}
exec(CASE, _shown)
_ShownCase: Any = _shown["SQLiteContractTests"]


class ShownStoreTests(_ShownCase):
    """The contract, on what C{--maildrop sqlite:FILE} makes."""

    def makeSource(self, messages: list[bytes]) -> Any:
        install(self)
        source = super().makeSource(messages)
        self.addCleanup(source.pool._stop)
        return source


# Trial would run it besides, without the plugin.
del _ShownCase


class StoreTests(TestCase):
    def database(self) -> str:
        path = os.path.abspath(self.mktemp())
        with contextlib.closing(sqlite3.connect(path)) as base, base:
            base.executescript(f"{SCHEMA};{INDEX}")
            for row in ((b"karl", b"one\n", 5), (b"joe", b"two\n", 5), (b"karl", b"three\n", 7)):
                statement = "INSERT INTO messages (user, octets, size) VALUES (?, ?, ?)"
                base.execute(statement, row)
        return path

    async def test_usersAreApart(self) -> None:
        install(self)
        source: Any = makeSource(f"sqlite:{self.database()}")
        self.addCleanup(source.pool._stop)
        for user, sizes in ((b"karl", [5, 7]), (b"joe", [5]), (b"nobody' OR 1 --", [])):
            maildrop = await source.openMaildrop(user)
            self.assertEqual(list(maildrop.messages.octets), sizes)
            await maildrop.close()

    async def test_databaseIsGone(self) -> None:
        """No empty listing, but an error that a client understands."""
        install(self)
        path = self.database()
        source: Any = makeSource(f"sqlite:{path}")
        self.addCleanup(source.pool._stop)
        Path(path).write_bytes(b"no database at all" * 100)
        await self.assertFailure(source.openMaildrop(b"karl"), errors.MaildropUnavailable)

    def test_wrongFile(self) -> None:
        """It is told at the start, and not with a traceback."""
        install(self)
        with self.assertRaisesRegex(SettingError, "^there is no database '/nowhere'; make it$"):
            makeSource("sqlite:/nowhere")

    def test_indexIsUsed(self) -> None:
        """The query of a login does not look at the messages of others."""
        [query] = re.findall(r'"(SELECT id, size [^"]*)"', PLUGIN)
        with contextlib.closing(sqlite3.connect(self.database())) as base:
            [plan] = base.execute(f"EXPLAIN QUERY PLAN {query}", (b"karl",)).fetchall()
        self.assertRegex(plan[-1], "^SEARCH messages USING COVERING INDEX messagesOfUser")

    def test_throughTheService(self) -> None:
        """As an administrator starts it, with the plugin on Python's path."""
        root, port = install(self), freePort()
        before = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = f"{root}:{before}"
        self.addCleanup(os.environ.__setitem__, "PYTHONPATH", before)
        service = RunningService(
            Path(self.mktemp()),
            *("--pop3", f"tcp:{port}:interface=127.0.0.1", "--auth", "memory:karl:secret"),
            *("--maildrop", f"sqlite:{self.database()}"),
        )
        self.addCleanup(service.stop)
        service.waitFor(f"starting on {port}")
        for left in ([b"one", b"three"], [b"three"]):
            client = poplib.POP3("127.0.0.1", port, timeout=20)
            client.user("karl")
            client.pass_("secret")
            numbers = range(1, client.stat()[0] + 1)
            self.assertEqual([client.retr(number)[1] for number in numbers], [[e] for e in left])
            client.dele(1)
            client.quit()


def isMaildropError(each: Any) -> bool:
    return isinstance(each, type) and errors.MaildropError in each.__bases__


class PageTests(SynchronousTestCase):
    def test_short(self) -> None:
        lines = PLUGIN.splitlines()
        self.assertLess(len(lines), 60)
        self.assertLess(max(map(len, lines)), 97)

    def test_everyError(self) -> None:
        """The table has each that a store may raise."""
        table = PAGE[PAGE.index("What an error means") : PAGE.index("The finer points")]
        told = set(re.findall(r"^``([A-Za-z]+)``", table, re.MULTILINE))
        ours = {each.__name__ for each in vars(errors).values() if isMaildropError(each)}
        self.assertEqual(told, ours | {"SettingError", "PoolFull"})

    def test_everyInterface(self) -> None:
        """Those of stores are implemented, or told of."""
        for name, each in vars(interfaces).items():
            if isinstance(each, InterfaceClass) and name.startswith("IMaildrop"):
                self.assertIn(f"interfaces.{name}", PLUGIN)
        for name in ("ILimited", "IRelenting"):
            self.assertIn(f"\n``{name}``\n", PAGE)
