"""
L{pop3svc.auth.checkpassword}, with real programs.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.internet.process import ProcessReader, reapProcessHandlers
from twisted.internet.task import deferLater
from twisted.logger import LogLevel, capturedLogs, eventAsText
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from pop3svc.auth.checkpassword import CheckpasswordChecker, CheckpasswordCheckerFactory
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits
from pop3svc.testing import CheckerContract

DOCUMENT = Path(__file__).parent.parent / "docs" / "auth-checkpassword.rst"

# As somebody would write one by djb's page: exits 1 or 2, or becomes the program
# that its arguments name.
CHECKS = """\
import os, sys
told = b""
while block := os.read(3, 513 - len(told)):
    told += block
os.close(3)
name, password, timestamp, rest = told.split(b"\\0")
if len(told) > 512 or rest or not timestamp:
    sys.exit(2)
users = {b"karl": b"secret", b"joe": b"iluvjane", "k\\xe4rl".encode(): b"\\xff\\xfe"}
if users.get(name) != password:
    sys.exit(1)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def pause() -> Deferred[None]:
    return deferLater(IReactorTime(reactor), 0.02)


class ProgramTestCase(TestCase):
    """Writes programs and asks them."""

    def setUp(self) -> None:
        self.addCleanup(self.settle)

    async def settle(self) -> None:
        """Wait for processes that were killed when nobody waited for them any more."""
        while reapProcessHandlers or any(
            isinstance(each, ProcessReader) for each in IReactorFDSet(reactor).getReaders()
        ):
            await pause()

    def write(self, script: str) -> str:
        """@return: the path of a shell script, which is executable."""
        path = Path(self.mktemp()).absolute()
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return str(path)

    def make(self, script: str, **limits: int) -> CheckpasswordChecker:
        checker = CheckpasswordCheckerFactory().generateChecker(self.write(script))
        checker.useLimits(Limits(**limits))
        return checker

    def ask(
        self, checker: CheckpasswordChecker, name: bytes = b"karl", password: bytes = b"secret"
    ) -> Deferred[bytes | tuple[()]]:
        return checker.requestAvatarId(UsernamePassword(name, password))

    async def fault(self, script: str) -> str:
        """@return: why the program could not say."""
        error = await self.assertFailure(self.ask(self.make(script)), CheckerUnavailable)
        return str(error)

    def warnings(self, events: Any) -> list[str]:
        return [
            eventAsText(each, includeTimestamp=False).partition("] ")[2]
            for each in events
            if each["log_level"] is LogLevel.warn
        ]


class InterfaceTests(ProgramTestCase):
    """What the program gets."""

    async def test_descriptor(self) -> None:
        """Name, password and timestamp on descriptor 3, and then its end."""
        out = self.mktemp()
        checker = self.make(f"cat <&3 > {os.path.abspath(out)}")
        self.assertEqual(await self.ask(checker, b"k\xe4rl :x", b"se\xffc\nret"), b"k\xe4rl :x")
        self.assertRegex(
            Path(out).read_bytes(),
            rb"\Ak\xe4rl :x\0se\xffc\nret\0<[0-9a-f]{32}@pop3svc>\0\Z",
        )

    async def test_timestampIsNew(self) -> None:
        out = os.path.abspath(self.mktemp())
        checker = self.make(f"cat <&3 >> {out}", rememberedSeconds=0)
        await self.ask(checker)
        await self.ask(checker)
        fields = Path(out).read_bytes().split(b"\0")
        self.assertNotEqual(fields[2], fields[5])

    async def test_process(self) -> None:
        """Arguments, environment and descriptors, and nothing of ours."""
        out = os.path.abspath(self.mktemp())
        self.patch(os, "environ", {**os.environ, "SECRET": "x"})
        program = self.write(
            f'echo "$#:$1:$2:$3" > {out}; env | grep -v ^_= | sort >> {out}\n'
            f"ls /proc/$$/fd | tr '\\n' ' ' >> {out}; cat >> {out}"
        )
        checker = CheckpasswordCheckerFactory().generateChecker(f"{program} 'one two' -x")
        await self.ask(checker)
        count, *environment, descriptors = Path(out).read_text().splitlines()
        self.assertEqual(count, "3:one two:-x:/bin/true")
        self.assertEqual(
            [each for each in environment if not each.startswith(("PWD=", "OLDPWD="))],
            ["PATH=/usr/local/bin:/usr/bin:/bin", "PROTO=TCP", "SERVICE=pop3"],
        )
        # 10 is the shell's own, for its script.
        self.assertEqual(set(descriptors.split()) - {"10", "255"}, {"0", "1", "2", "3"})

    async def test_longest(self) -> None:
        """512 octets are told, and 513 are nobody's, without a program."""
        out = os.path.abspath(self.mktemp())
        checker = self.make(f"cat <&3 | wc -c >> {out}")
        # 42 octets of timestamp, and three NULs.
        await self.ask(checker, b"karl", b"x" * (512 - 45 - 4))
        await self.assertFailure(
            self.ask(checker, b"karl", b"x" * (513 - 45 - 4)), UnauthorizedLogin
        )
        self.assertEqual(Path(out).read_text().split(), ["512"])

    async def test_notAsked(self) -> None:
        """An empty name or password, or one with a NUL, is wrong by itself."""
        checker = self.make("exit 0")
        for name, password in ((b"", b"x"), (b"karl", b""), (b"karl\0", b"x"), (b"karl", b"x\0y")):
            error = await self.assertFailure(self.ask(checker, name, password), UnauthorizedLogin)
            self.assertNotIsInstance(error, LoginRefused)


class AnswerTests(ProgramTestCase):
    """What the program says."""

    async def test_refused(self) -> None:
        """It does not say whether it knows the user: the next checker is asked."""
        for status in (1, 3):
            refused = self.ask(self.make(f"exit {status}"))
            error = await self.assertFailure(refused, UnauthorizedLogin)
            self.assertEqual(
                (type(error), str(error)), (UnauthorizedLogin, "unknown user or wrong password")
            )

    async def test_faults(self) -> None:
        for script, words in (
            ("exit 111", "has a temporary problem (exit status 111)"),
            (
                "exit 2",
                "was used wrongly (exit status 2); see which arguments it needs before the program",
            ),
            ("exit 77", "ended with exit status 77, which means nothing here"),
            ("kill -9 $$", "was killed, or took too long"),
        ):
            self.assertEqual((await self.fault(script)).partition(" ")[2], words)

    async def test_vanished(self) -> None:
        """Removed, or closed to the service's user, after the start."""
        program = self.write("exit 0")
        checker = CheckpasswordCheckerFactory().generateChecker(program)
        os.chmod(program, stat.S_IRUSR)
        error = await self.assertFailure(self.ask(checker), CheckerUnavailable)
        self.assertIn("(exit status 126); make it executable", str(error))
        os.remove(program)
        error = await self.assertFailure(self.ask(checker), CheckerUnavailable)
        self.assertIn("(exit status 127)", str(error))

    async def test_documented(self) -> None:
        """The program that the documentation shows."""
        shown = DOCUMENT.read_text().partition("single user::\n\n")[2].partition("\nArguments")[0]
        path = Path(self.write("")).absolute()
        path.write_text(dedent(shown))
        checker = CheckpasswordCheckerFactory().generateChecker(f"{sys.executable} {path}")
        self.assertEqual(await self.ask(checker), b"karl")
        for name, password in ((b"karl", b"wrong"), (b"karl\nsecret", b"x")):
            await self.assertFailure(self.ask(checker, name, password), UnauthorizedLogin)

    async def test_doesNotRead(self) -> None:
        """It may answer before it has read anything."""
        self.assertEqual(await self.ask(self.make("exec 3<&-; exit 0")), b"karl")

    async def test_said(self) -> None:
        """One line of the log, bounded, and the program never waits for us."""
        checker = self.make(
            "printf 'a\\033\\nb' >&2; head -c 300000 /dev/zero | tr '\\0' x; exit 1"
        )
        with capturedLogs() as events:
            await self.assertFailure(self.ask(checker), UnauthorizedLogin)
        [text] = self.warnings(events)
        said = text.partition(" said: ")[2]
        self.assertNotIn("\n", said)
        self.assertNotIn("\033", said)
        self.assertLess(len(said), 1100)

    async def test_saidThePassword(self) -> None:
        checker = self.make("cat <&3; exit 0")
        with capturedLogs() as events:
            await self.ask(checker, b"karl", b"hunter2")
        [text] = self.warnings(events)
        self.assertIn("said something with the password in it, which is not logged", text)
        self.assertNotIn("hunter2", repr(events))

    async def test_remembered(self) -> None:
        """A poller costs one process; a wrong password one each time."""
        out = os.path.abspath(self.mktemp())
        checker = self.make(f"echo >> {out}; tr '\\0' '\\n' <&3 | grep -qx secret")
        for _ in range(3):
            self.assertEqual(await self.ask(checker), b"karl")
            await self.assertFailure(self.ask(checker, b"karl", b"wrong"), UnauthorizedLogin)
        self.assertEqual(len(Path(out).read_text()), 4)


class BoundsTests(ProgramTestCase):
    """What it may cost."""

    async def test_timeout(self) -> None:
        """The program is killed, with all that it has started."""
        out = os.path.abspath(self.mktemp())
        checker = self.make(f"sleep 60 & echo $! > {out}; wait", checkerSeconds=1)
        began = time.monotonic()
        await self.assertFailure(self.ask(checker), CheckerUnavailable)
        self.assertLess(time.monotonic() - began, 5)
        pid = int(Path(out).read_text())
        for _ in range(100):
            if self.ended(pid):
                break
            await pause()
        self.assertTrue(self.ended(pid))

    def ended(self, pid: int) -> bool:
        """Gone, or dead and not yet waited for by whoever inherited it."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
        except OSError:
            return True

    async def test_leftBehind(self) -> None:
        """An answer counts when the program ends, though a child holds its pipes."""
        began = time.monotonic()
        self.assertEqual(await self.ask(self.make("sleep 3 & exit 0")), b"karl")
        self.assertLess(time.monotonic() - began, 2)

    async def test_processesAtOnce(self) -> None:
        """Two run, one waits, and one more is told to come back."""
        out = os.path.abspath(self.mktemp())
        checker = self.make(
            f"echo + >> {out}; sleep 0.2; echo - >> {out}", checkerThreads=2, checkerQueue=1
        )
        asked = [self.ask(checker, b"user%d" % number) for number in range(4)]
        error = await self.assertFailure(asked.pop(), CheckerUnavailable)
        self.assertEqual(str(error), "1 logins wait for a process")
        outcomes = await DeferredList(asked)
        self.assertEqual([answer for _, answer in outcomes], [b"user0", b"user1", b"user2"])
        running = most = 0
        for word in Path(out).read_text().split():
            running += 1 if word == "+" else -1
            most = max(most, running)
        self.assertEqual((running, most), (0, 2))

    async def test_fewerAtOnce(self) -> None:
        """A bound made lower counts when those that run have ended."""
        checker = self.make("sleep 0.2", checkerThreads=3)
        asked = [self.ask(checker, b"user%d" % number) for number in range(5)]
        checker.useLimits(Limits(checkerThreads=1))
        outcomes = await DeferredList(asked)
        self.assertEqual([good for good, _ in outcomes], [True] * 5)

    async def test_waitedTooLong(self) -> None:
        """No program is started for whom nobody waits any more."""
        out = os.path.abspath(self.mktemp())
        checker = self.make(f"echo >> {out}; sleep 60", checkerThreads=1, checkerSeconds=1)
        asked = [self.ask(checker, b"user%d" % number) for number in range(3)]
        for each in asked:
            await self.assertFailure(each, CheckerUnavailable)
        await self.settle()
        self.assertEqual(len(Path(out).read_text()), 1)


class FactoryTests(SynchronousTestCase):
    """C{--auth checkpassword:PROGRAM}."""

    def test_factory(self) -> None:
        factory = CheckpasswordCheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual(
            (factory.authType, factory.argStringFormat), ("checkpassword", "PROGRAM [ARGUMENTS]")
        )
        self.assertEqual(factory.credentialInterfaces, (IUsernamePassword,))

    def test_plugin(self) -> None:
        checker = makeChecker("checkpassword:true")
        self.assertIsInstance(checker, CheckpasswordChecker)
        verifyObject(ILimited, checker)
        self.assertTrue(os.path.isabs(checker._program))

    def test_wrong(self) -> None:
        directory = os.path.abspath(self.mktemp())
        os.mkdir(directory)
        for argument, sentence in (
            (
                " ",
                "--auth checkpassword needs a program; write --auth checkpassword:/PATH/OF/PROGRAM",
            ),
            (
                "/bin/true 'x",
                '--auth checkpassword: "/bin/true \'x" ends inside of quotes; close them',
            ),
            (
                "/nonexistent/program x",
                "cannot run the program /nonexistent/program; name one that is there and"
                " executable",
            ),
            (
                directory,
                f"cannot run the program {directory}; name one that is there and executable",
            ),
            (
                "/etc/passwd",
                "cannot run the program /etc/passwd; name one that is there and executable",
            ),
        ):
            error = self.assertRaises(SettingError, makeChecker, f"checkpassword:{argument}")
            self.assertEqual(str(error), sentence)

    def test_noSetsid(self) -> None:
        directory = os.path.abspath(self.mktemp())
        os.mkdir(directory)
        self.patch(os, "environ", {"PATH": directory})
        error = self.assertRaises(SettingError, makeChecker, "checkpassword:/bin/true")
        self.assertEqual(
            str(error), "--auth checkpassword needs the program setsid; install util-linux"
        )


class CheckpasswordContractTests(CheckerContract, ProgramTestCase):
    """With a program of its own process each."""

    others = ((b"joe", b"iluvjane"), ("kärl".encode(), b"\xff\xfe"))

    def makeChecker(self) -> CheckpasswordChecker:
        path = Path(self.mktemp()).absolute()
        path.write_text(CHECKS)
        return CheckpasswordCheckerFactory().generateChecker(f"{sys.executable} -SE {path}")
