"""
L{pop3svc.auth.ldap}, against a real OpenLDAP server.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import tempfile
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import LogLevel, capturedLogs, eventAsText
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from pop3svc.auth.ldap import LdapChecker, LdapCheckerFactory
from pop3svc.auth.ldapsettings import LdapSettings, parseSettings
from pop3svc.auth.ldaptls import makeContext
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits
from pop3svc.startfiles import given, keeping
from pop3svc.testing import CheckerContract

from .live.programs import unavailable
from .pki import Authority
from .slapd import PEOPLE, SEARCHER, SEARCHER_PASSWORD, Slapd, person, sharedSlapd

ENTRIES = "".join(
    (
        person("karl", "secret", "mail: karl@example.org"),
        person("joe", "iluvjane", "mail: joe@example.org", "mail: joseph@example.org"),
        person("kärl", "sécret"),
        person("twin", "one", "mail: twin@example.org"),
        person("twin", "two", "mail: twin@example.org", where=f"ou=guests,{PEOPLE}"),
        person("guest", "secret", where=f"ou=guests,{PEOPLE}"),
        person("locked", None),
        person("open", "secret", where="ou=open,dc=example,dc=org"),
    )
)

BY_NAME = f"uid={{user}},{PEOPLE}"
BY_SEARCH = f"{PEOPLE}?filter=(uid={{user}})"


def needsLibrary() -> None:
    """@raise SkipTest: python-ldap is not installed."""
    if find_spec("ldap") is None:
        unavailable("python-ldap is not installed; run: pip install 'pop3svc[ldap]'")


def pause() -> Deferred[None]:
    return deferLater(IReactorTime(reactor), 0.02)


class DirectoryTestCase(TestCase):
    """Asks a server."""

    def setUp(self) -> None:
        needsLibrary()
        self.server = sharedSlapd(ENTRIES)
        self.passwordFile = self.mktemp()
        Path(self.passwordFile).write_text(SEARCHER_PASSWORD + "\n")
        self.searcher = f"?bind-dn={SEARCHER}?password-file={self.passwordFile}"

    def make(self, text: str, **limits: int) -> LdapChecker:
        checker = LdapCheckerFactory().generateChecker(text)
        checker.useLimits(Limits(**limits))
        return checker

    def byName(self, more: str = "", **limits: int) -> LdapChecker:
        return self.make(f"{self.server.plain}/{BY_NAME}?tls=none{more}", **limits)

    def bySearch(self, more: str = "", **limits: int) -> LdapChecker:
        text = f"{self.server.plain}/{BY_SEARCH}?tls=none{self.searcher}{more}"
        return self.make(text, **limits)

    def ask(
        self, checker: LdapChecker, name: str | bytes = "karl", password: str | bytes = "secret"
    ) -> Deferred[bytes | tuple[()]]:
        octets = (each.encode() if isinstance(each, str) else each for each in (name, password))
        return checker.requestAvatarId(UsernamePassword(*octets))

    async def refusal(
        self, checker: LdapChecker, name: str | bytes, password: str | bytes
    ) -> tuple[type[BaseException], str]:
        asked = self.ask(checker, name, password)
        error: Any = await self.assertFailure(asked, UnauthorizedLogin)
        return type(error), str(error)

    def warnings(self, events: Any) -> list[str]:
        return [
            eventAsText(each, includeTimestamp=False).partition("] ")[2]
            for each in events
            if each["log_level"] is LogLevel.warn
        ]


class BindTests(DirectoryTestCase):
    """As the user, by a pattern of DNs."""

    async def test_right(self) -> None:
        checker = self.byName()
        self.assertEqual(await self.ask(checker), b"karl")
        self.assertEqual(await self.ask(checker, "kärl", "sécret"), "kärl".encode())

    async def test_refused(self) -> None:
        """The directory does not tell one from the other: the next checker is asked."""
        checker = self.byName()
        for name, password in (("karl", "wrong"), ("nobody", "secret"), ("locked", "x")):
            self.assertEqual(
                await self.refusal(checker, name, password),
                (UnauthorizedLogin, "unknown user or wrong password"),
            )

    async def test_emptyPassword(self) -> None:
        """RFC 4513 section 5.1.2: a bind without a password succeeds, as nobody."""
        for checker in (self.byName(), self.bySearch()):
            for name in ("karl", "nobody", ""):
                await self.refusal(checker, name, "")

    async def test_injection(self) -> None:
        """What means something in a DN does not leave its place."""
        checker = self.byName()
        for name in (
            "guest,ou=guests",
            "karl+cn=karl",
            "karl,ou=people,dc=example,dc=org#",
            "karl\\",
            '"karl"',
            "#6b61726c",
            "\\6b\\61\\72\\6c",
            "karl;x",
            "<karl>",
            "{user}",
        ):
            self.assertEqual(
                await self.refusal(checker, name, "secret"),
                (UnauthorizedLogin, "unknown user or wrong password"),
                name,
            )

    async def test_avatar(self) -> None:
        """The user's own entry says what the maildrop is called by."""
        checker = self.byName("?avatar=MAIL")
        self.assertEqual(await self.ask(checker), b"karl@example.org")
        self.assertEqual(await self.ask(checker, "KARL"), b"karl@example.org")


class SearchTests(DirectoryTestCase):
    """By a search, and then as who was found."""

    async def test_right(self) -> None:
        checker = self.bySearch()
        self.assertEqual(await self.ask(checker), b"karl")
        self.assertEqual(await self.ask(checker, "kärl", "sécret"), "kärl".encode())
        self.assertEqual(await self.ask(checker, "guest"), b"guest")

    async def test_refused(self) -> None:
        """The search has told whether the user is there."""
        checker = self.bySearch()
        wrong = (LoginRefused, "wrong password")
        self.assertEqual(await self.refusal(checker, "karl", "iluvjane"), wrong)
        self.assertEqual(await self.refusal(checker, "locked", "x"), wrong)
        self.assertEqual(
            await self.refusal(checker, "nobody", "x"), (UnauthorizedLogin, "unknown user")
        )

    async def test_injection(self) -> None:
        """What means something in a filter does not leave its place (RFC 4515 section 3)."""
        checker = self.bySearch()
        for name in (
            "*",
            "k*",
            "*)(uid=*",
            "karl)(|(uid=*",
            "karl)(objectClass=*",
            "*))%00",
            "\\6b\\61rl",
            "\\2a",
            "karl\\00",
            ")(",
            "{user}",
        ):
            self.assertEqual(
                await self.refusal(checker, name, "secret"),
                (UnauthorizedLogin, "unknown user"),
                name,
            )

    async def test_spellings(self) -> None:
        """Which the directory would take for the same name, but a maildrop not."""
        checker = self.bySearch()
        for name in (" karl", "karl ", "karl\n", "\tkarl", "ka\u00adrl", "\uff4barl", "karl\u200b"):
            self.assertEqual(
                await self.refusal(checker, name, "secret"),
                (
                    UnauthorizedLogin,
                    "a name with blanks or characters that a directory ignores",
                ),
            )
        self.assertEqual(
            await self.refusal(checker, b"karl\xff", "secret"),
            (UnauthorizedLogin, "a name that is not UTF-8"),
        )

    async def test_moreThanOne(self) -> None:
        """Nobody knows which; neither password is right, and the log says why."""
        checker = self.bySearch()
        for password in ("one", "two"):
            with capturedLogs() as events:
                await self.assertFailure(self.ask(checker, "twin", password), LoginRefused)
            self.assertEqual(
                self.warnings(events),
                ["b'twin' cannot log in: more than one entry of the directory fits '(uid=twin)'"],
            )

    async def test_manyMore(self) -> None:
        text = f"{self.server.plain}/{PEOPLE}?filter=(|(uid={{user}})(objectClass=*))?tls=none"
        checker = self.make(text + self.searcher)
        await self.assertFailure(self.ask(checker), LoginRefused)

    async def test_scope(self) -> None:
        """Right below the base, there is one of the two."""
        checker = self.bySearch("?scope=one")
        self.assertEqual(await self.ask(checker, "twin", "one"), b"twin")
        self.assertEqual(
            await self.refusal(checker, "guest", "secret"), (UnauthorizedLogin, "unknown user")
        )

    async def test_avatar(self) -> None:
        checker = self.bySearch("?avatar=uid")
        self.assertEqual(await self.ask(checker, "KARL"), b"karl")
        # Also from memory.
        self.assertEqual(await self.ask(checker, "KARL"), b"karl")

    async def test_avatarUnclear(self) -> None:
        """No value, or several: nobody's maildrop is anybody's guess."""
        checker = self.bySearch("?avatar=mail")
        for name, password, values in (("guest", "secret", 0), ("joe", "iluvjane", 2)):
            with capturedLogs() as events:
                await self.assertFailure(self.ask(checker, name, password), LoginRefused)
            self.assertEqual(
                self.warnings(events),
                [f"b'{name}' cannot log in: the user's entry has {values} values of mail, not one"],
            )

    async def test_asNobody(self) -> None:
        """Without bind-dn, where the directory lets everybody search."""
        base = "ou=open,dc=example,dc=org"
        checker = self.make(f"{self.server.plain}/{base}?filter=(uid={{user}})?tls=none")
        for _ in range(2):
            self.assertEqual(await self.ask(checker, "open"), b"open")
            self.assertEqual(
                await self.refusal(checker, "open", "wrong"), (LoginRefused, "wrong password")
            )

    async def test_searcherRefused(self) -> None:
        """Not the user's fault."""
        Path(self.passwordFile).write_text("old password")
        error = await self.assertFailure(self.ask(self.bySearch()), CheckerUnavailable)
        self.assertEqual(
            str(error),
            f"the directory {self.server.plain} refuses bind-dn {SEARCHER!r} with what"
            " password-file holds",
        )


class TLSTests(DirectoryTestCase):
    """Who it is that gets the passwords."""

    async def test_verified(self) -> None:
        for server in (self.server.plain, self.server.tls):
            checker = self.make(f"{server}/{BY_NAME}?ca={self.server.authorities}")
            self.assertEqual(await self.ask(checker), b"karl")
            await self.refusal(checker, "karl", "wrong")

    async def test_otherAuthority(self) -> None:
        """It gets no password."""
        other = Authority("others").save(self.mktemp())
        for server in (self.server.plain, self.server.tls):
            checker = self.make(f"{server}/{BY_NAME}?ca={other}")
            error = await self.assertFailure(self.ask(checker), CheckerUnavailable)
            self.assertIn(f"the directory {server} failed: ", str(error))

    async def test_otherName(self) -> None:
        """The certificate is for 127.0.0.1."""
        checker = self.make(f"{self.server.other}/{BY_NAME}?ca={self.server.authorities}")
        error = await self.assertFailure(self.ask(checker), CheckerUnavailable)
        self.assertIn("certificate is not valid for '127.0.0.2'", str(error))

    async def test_unverified(self) -> None:
        for server in (self.server.plain, self.server.tls):
            self.assertEqual(
                await self.ask(self.make(f"{server}/{BY_NAME}?tls=unverified")), b"karl"
            )

    async def test_closed(self) -> None:
        """No descriptor is left of connections that came to nothing, or have ended."""
        checker = self.make(f"{self.server.tls}/{BY_NAME}", checkerSeconds=2)
        await self.assertFailure(self.ask(checker), CheckerUnavailable)
        before = await self.descriptors()
        for _ in range(5):
            await self.assertFailure(self.ask(checker), CheckerUnavailable)
        self.assertEqual(await self.descriptors(), before)
        checker = self.make(f"{self.server.tls}/{BY_NAME}?ca={self.server.authorities}")
        await self.ask(checker)
        # libldap's and ours of the pair, and that of the connection.
        self.assertEqual(await self.descriptors(), before + 3)
        del checker
        self.assertEqual(await self.descriptors(), before)

    async def descriptors(self) -> int:
        """@return: how many are open, once those that nobody uses are closed."""
        counted = [-1]
        while len(counted) < 5 or len(set(counted[-5:])) > 1:
            gc.collect()
            await pause()
            counted.append(len(os.listdir("/proc/self/fd")))
        return counted[-1]

    async def test_socket(self) -> None:
        self.assertEqual(await self.ask(self.make(f"{self.server.unix}/{BY_NAME}")), b"karl")


class StartTLSTests(DirectoryTestCase):
    """Servers that answer StartTLS in their own ways."""

    # With lengths of four octets, as Active Directory writes them.
    GOOD = bytes.fromhex("30840000001002010178840000000a0a01000400040000"[:-2])
    REFUSED = bytes.fromhex("300c02010178070a010204000400")

    async def fault(self, answer: bytes, end: bool = False) -> str:
        """@return: why there is no connection to a server that answers so, and no more."""
        with closing(socket.socket()) as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            thread = Thread(target=self.serve, args=(listening, answer, end))
            thread.start()
            port = listening.getsockname()[1]
            checker = self.make(f"ldap://127.0.0.1:{port}/{BY_NAME}", checkerSeconds=1)
            error = await self.assertFailure(self.ask(checker), CheckerUnavailable)
            while checker._pool.pending:
                await pause()
            thread.join()
        return str(error)

    def serve(self, listening: socket.socket, answer: bytes, end: bool) -> None:
        connection, _ = listening.accept()
        with closing(connection):
            connection.recv(4096)
            for octet in answer:
                connection.send(bytes([octet]))
            # Until the other side gives up: it may have said more meanwhile.
            while not end and connection.recv(4096):
                continue

    async def test_refused(self) -> None:
        self.assertIn(
            "refuses StartTLS; use ldaps://, or set it up there", await self.fault(self.REFUSED)
        )
        for other in (b"\x30\x00", b"\x30\x03\x02\x01\x01", b"\x04\x01\x00"):
            self.assertIn("refuses StartTLS", await self.fault(other))

    async def test_injected(self) -> None:
        """Nothing that was said in the clear counts as said in TLS."""
        said = await self.fault(self.GOOD + self.GOOD)
        # Depending on how the octets come together it is seen here or by TLS.
        self.assertRegex(said, "says more than its answer to StartTLS|WRONG_VERSION|wrong version")

    async def test_ended(self) -> None:
        self.assertRegex(
            await self.fault(b"\x30", end=True), "ends the connection at StartTLS|reset by peer"
        )

    async def test_silentAfterwards(self) -> None:
        """The handshake has a deadline as well."""
        began = time.monotonic()
        await self.fault(self.GOOD)
        self.assertLess(time.monotonic() - began, 3)


class FaultTests(DirectoryTestCase):
    """A directory that cannot say."""

    async def test_down(self) -> None:
        with closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            checker = self.make(f"ldap://127.0.0.1:{port}/{BY_NAME}?tls=none")
            error = await self.assertFailure(self.ask(checker), CheckerUnavailable)
        self.assertIn("Can't contact LDAP server", str(error))

    async def test_silent(self) -> None:
        """It takes the connection and says nothing: to a bind, STARTTLS, a handshake."""
        with closing(socket.socket()) as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            port = silent.getsockname()[1]
            for url in (
                f"ldap://127.0.0.1:{port}/{BY_NAME}?tls=none",
                f"ldap://127.0.0.1:{port}/{BY_NAME}",
                f"ldaps://127.0.0.1:{port}/{BY_NAME}",
            ):
                checker = self.make(url, checkerSeconds=1)
                began = time.monotonic()
                await self.assertFailure(self.ask(checker), CheckerUnavailable)
                # The thread as well: it is free for the next.
                while checker._pool.pending and time.monotonic() - began < 5:
                    await pause()
                self.assertLess(time.monotonic() - began, 3, url)

    async def test_restarted(self) -> None:
        """Connections that the server has closed are made anew."""
        with tempfile.TemporaryDirectory(prefix="slapd-") as directory:
            server = Slapd(Path(directory))
            server.load(ENTRIES)
            server.start()
            self.addCleanup(lambda: server.stop())
            checker = self.make(f"{server.plain}/{BY_NAME}?tls=none", rememberedSeconds=0)
            several = [self.ask(checker) for _ in range(3)]
            several.append(self.ask(checker, "joe", "iluvjane"))
            await DeferredList(several)
            server.stop()
            await self.assertFailure(self.ask(checker), CheckerUnavailable)
            server.start()
            self.assertEqual(await self.ask(checker), b"karl")
            server.stop()
            server.start()
            self.assertEqual(await self.ask(checker), b"karl")
            await self.refusal(checker, "karl", "wrong")

    async def test_busy(self) -> None:
        """Two connections, one login that waits, and one that is told to come back."""
        checker = self.bySearch(checkerThreads=2, checkerQueue=1)
        asked = [self.ask(checker, f"user{number}") for number in range(4)]
        await self.assertFailure(asked.pop(), CheckerUnavailable)
        for each in asked:
            await self.assertFailure(each, UnauthorizedLogin)

    async def test_remembered(self) -> None:
        """Who logged in a moment ago does while the directory is down."""
        with tempfile.TemporaryDirectory(prefix="slapd-") as directory:
            server = Slapd(Path(directory))
            server.load(ENTRIES)
            server.start()
            self.addCleanup(lambda: server.stop())
            checker = self.make(f"{server.plain}/{BY_NAME}?tls=none")
            self.assertEqual(await self.ask(checker), b"karl")
            server.stop()
            self.assertEqual(await self.ask(checker), b"karl")
            await self.assertFailure(self.ask(checker, "karl", "x"), CheckerUnavailable)


class SettingsTests(SynchronousTestCase):
    """What stands in the URL."""

    def test_defaults(self) -> None:
        self.assertEqual(
            parseSettings("ldap://host/uid={user},dc=org"),
            LdapSettings("ldap://host", "uid={user},dc=org"),
        )
        self.assertTrue(parseSettings("ldap://host/uid={user},dc=org").startTLS)
        self.assertFalse(parseSettings("ldaps://host:636/uid={user},dc=org").startTLS)

    def test_everything(self) -> None:
        secret, authorities = os.path.abspath(self.mktemp()), Authority().save(self.mktemp())
        Path(secret).write_bytes(b" pass\n")
        found = parseSettings(
            "ldap://[::1]:3389/dc=org?filter=(&(a=%3F)(uid={user}))?scope=one?bind-dn=cn=m,dc=org"
            f"?password-file={secret}?avatar=mail?tls=unverified?ca={authorities}"
        )
        self.assertEqual(
            found,
            LdapSettings(
                "ldap://[::1]:3389",
                "dc=org",
                "(&(a=?)(uid={user}))",
                False,
                "cn=m,dc=org",
                b" pass",
                "mail",
                "unverified",
                os.path.abspath(authorities),
            ),
        )

    def test_wrong(self) -> None:
        empty = os.path.abspath(self.mktemp())
        Path(empty).touch()
        search = "ldaps://h/dc=org?filter=(uid={user})"
        for text, sentence in (
            ("", "--auth ldap needs a URL; write "),
            ("http://h/uid={user}", "--auth ldap needs a URL; write "),
            ("ldaps:///uid={user}", "ldaps:// names no server; write "),
            ("ldaps://user@h/uid={user}", "ldaps://user@h names no server; write "),
            ("ldaps://h:65536/uid={user}", "ldaps://h:65536 names no server; write "),
            ("ldapi://tmp/socket/uid={user}", "ldapi://tmp names no server; write "),
            ("ldaps://h/dc=org", "--auth ldap must be told how to find a user, "),
            ("ldaps://h/uid={user}?filter=(uid={user})", "--auth ldap must be told how to find"),
            ("ldaps://h/uid={user}?sub", "'sub' is no option of --auth ldap; write "),
            ("ldaps://h/uid={user}?base=x", "'base=x' is no option of --auth ldap; write "),
            (f"{search}?scope=base", "scope=base is not possible; write sub or one"),
            (f"{search}?scope=sub?scope=sub", "--auth ldap has the option scope twice; "),
            (f"{search}?tls=no", "tls=no is not possible; write verified or unverified or none"),
            (f"{search}?tls=none", "ldaps:// is TLS from the start; write ldap:// for tls=none"),
            ("ldapi://%2Fx/uid={user}?tls=verified", "ldapi:// knows no TLS; leave the "),
            (f"{search}?avatar=a(b", "'a(b' names no attribute; write for example ?avatar=uid"),
            (f"{search}?bind-dn=dc=org", "--auth ldap takes bind-dn and password-file together"),
            (f"{search}?password-file={empty}", f"{empty} is empty; write the password of"),
            (f"{search}?password-file=/nonexistent", "cannot read /nonexistent: No such file or"),
            (f"{search}?ca=/nonexistent", "cannot read /nonexistent: No such file or"),
            ("ldaps://h/dc=org?filter=(uid=x)", "the filter '(uid=x)' is none; write "),
            ("ldaps://h/dc=org?filter=uid={user}", "the filter 'uid={user}' is none; write "),
        ):
            error = self.assertRaises(SettingError, parseSettings, text)
            self.assertEqual(str(error)[: len(sentence)], sentence)

    def test_searcherWithoutSearch(self) -> None:
        secret = self.mktemp()
        Path(secret).write_text("x")
        text = f"ldaps://h/uid={{user}}?bind-dn=dc=org?password-file={secret}"
        error = self.assertRaises(SettingError, parseSettings, text)
        self.assertIn("--auth ldap searches nothing without a filter; add ", str(error))


class FactoryTests(SynchronousTestCase):
    """C{--auth ldap:URL}."""

    def test_factory(self) -> None:
        factory = LdapCheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual(factory.authType, "ldap")
        self.assertEqual(factory.credentialInterfaces, (IUsernamePassword,))

    def test_plugin(self) -> None:
        """That the directory is down is no reason not to start."""
        needsLibrary()
        checker = makeChecker("ldap:ldap://127.0.0.1:1/uid={user},dc=org")
        self.assertIsInstance(checker, LdapChecker)
        verifyObject(ILimited, checker)

    def test_noDN(self) -> None:
        needsLibrary()
        error = self.assertRaises(SettingError, makeChecker, "ldap:ldaps://h/{user}@example.org")
        self.assertIn("'x@example.org' is no distinguished name; write ", str(error))

    def test_noAuthorities(self) -> None:
        needsLibrary()
        text = "ldap:ldaps://h/uid={user},dc=org?ca=/etc/passwd"
        error = self.assertRaises(SettingError, makeChecker, text)
        self.assertEqual(
            str(error), "/etc/passwd has no certificate; name a PEM file of authorities"
        )

    def test_authoritiesOfTheStart(self) -> None:
        """A worker may not read the file, or come when it is gone."""
        path = Path(self.mktemp()).absolute()
        Authority().save(str(path))
        path.write_bytes("# Größe\n".encode() + path.read_bytes())
        settings = LdapSettings("ldaps://host", "uid={user},dc=org", authorities=str(path))
        with keeping() as kept:
            makeContext(settings)
        self.addCleanup(os.close, kept[str(path)].descriptor)
        path.write_bytes(b"")
        with given(kept):
            self.assertEqual(makeContext(settings).cert_store_stats()["x509_ca"], 1)
        error = self.assertRaises(SettingError, makeContext, settings)
        self.assertEqual(str(error), f"{path} has no certificate; name a PEM file of authorities")

    def test_noFilter(self) -> None:
        needsLibrary()
        text = "ldap:ldaps://h/dc=org?filter=(&(uid={user})"
        error = self.assertRaises(SettingError, makeChecker, text)
        self.assertEqual(
            str(error), "the filter '(&(uid=x)' is none; see where its parentheses close"
        )

    def test_noLibrary(self) -> None:
        """One sentence, which says what to install."""
        with patch.dict(sys.modules, {"ldap": None}):
            sys.modules.pop("pop3svc.auth.ldapdirectory", None)
            error = self.assertRaises(SettingError, makeChecker, "ldap:ldaps://h/uid={user},dc=org")
        self.assertIn("run: pip install 'pop3svc[ldap]'", str(error))


class BindContractTests(CheckerContract, DirectoryTestCase):
    others = ((b"joe", b"iluvjane"), ("kärl".encode(), "sécret".encode()))

    def makeChecker(self) -> LdapChecker:
        return self.byName()


class SearchContractTests(CheckerContract, DirectoryTestCase):
    others = ((b"joe", b"iluvjane"), ("kärl".encode(), "sécret".encode()))

    def makeChecker(self) -> LdapChecker:
        return self.bySearch()


class TLSContractTests(SearchContractTests):
    """Long passwords, and all else, by StartTLS."""

    def makeChecker(self) -> LdapChecker:
        text = f"{self.server.plain}/{BY_SEARCH}?ca={self.server.authorities}{self.searcher}"
        return self.make(text)
