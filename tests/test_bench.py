"""
The benchmark's load generator: a server that lies has no speed.
"""

import shutil
import socket
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks.load import Load, LoadFailed, Outcome, Plan, build
from tests.running import ROOT

MESSAGE = b"Subject: one\r\n\r\n.\r\nthe dot above is the message's own\r\n"
STUFFED = MESSAGE.replace(b"\r\n.\r\n", b"\r\n..\r\n")
ANSWERS = {
    b"STAT": b"+OK 1 %d\r\n" % len(MESSAGE),
    b"LIST": b"+OK\r\n1 %d\r\n.\r\n" % len(MESSAGE),
    b"UIDL": b"+OK\r\n1 abc\r\n.\r\n",
    b"RETR 1": b"+OK\r\n" + STUFFED + b".\r\n",
}
CONTENT = sha256(MESSAGE).hexdigest()


class Liar:
    """
    A POP3 server that answers what it is told to, one connection after another.

    @ivar users: the users who came, in their order.
    """

    def __init__(self, answers: dict[bytes, bytes], greeting: bytes = b"+OK\r\n") -> None:
        self.users: list[bytes] = []
        self._answers = answers
        self._greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        # Closing alone would not wake whoever waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                try:
                    self._talk(connection, lines.readline)
                except OSError:
                    # The generator hangs up as soon as it has caught us.
                    continue

    def _talk(self, connection: socket.socket, readLine: Callable[[], bytes]) -> None:
        connection.sendall(self._greeting)
        while line := readLine().rstrip(b"\r\n"):
            if line.startswith(b"USER "):
                self.users.append(line[5:])
            connection.sendall(self._answers.get(line, b"+OK\r\n"))
            if line == b"QUIT":
                return


class LoadTests(SynchronousTestCase):
    """What the generator takes, and what it does not."""

    def setUp(self) -> None:
        if shutil.which("cc") is None or not Path("/usr/include/openssl/ssl.h").exists():
            raise SkipTest("apt-get install gcc libssl-dev")
        # Where the benchmark has them too: made once.
        self.programs = ROOT / "build" / "benchmarks"
        build(self.programs)

    def load(
        self,
        script: str = "user,pass,stat,list,uidl,retr,quit",
        content: str = CONTENT,
        pipelined: bool = False,
        greeting: bytes = b"+OK\r\n",
        **lies: bytes,
    ) -> Outcome:
        """@param lies: answers by commands, with C{_} for a space."""
        answers = ANSWERS | {each.replace("_", " ").encode(): lies[each] for each in lies}
        liar = Liar(answers, greeting)
        self.addCleanup(liar.close)
        plan = Plan(
            "u", script, users=2, connections=1, messages=1, content=content, pipelined=pipelined
        )
        howLong = ("--warm-up", "1", "--sessions", "3", "--patience", "1")
        with Load(self.programs, liar.port, plan, (0,), *howLong) as load:
            load.waitFor("ready")
            load.go()
            outcome = load.outcome()
        self.assertEqual(liar.users, [b"u0", b"u1", b"u0", b"u1"])
        return outcome

    def assertCaught(self, kind: str, **load: object) -> None:
        error = self.assertRaises(LoadFailed, self.load, **load)
        self.assertEqual(error.kind, kind, str(error))

    def test_honest(self) -> None:
        outcome = self.load()
        self.assertEqual((outcome.sessions, outcome.octets), (3, 3 * len(MESSAGE)))
        self.assertGreater(outcome.p99, 0)

    def test_pipelined(self) -> None:
        self.assertEqual(self.load(pipelined=True).sessions, 3)

    def test_refused(self) -> None:
        self.assertCaught("refused", PASS_secret=b"-ERR [AUTH] no\r\n")
        self.assertCaught("refused", RETR_1=b"-ERR no such message\r\n")
        self.assertCaught("refused", greeting=b"-ERR too many\r\n")

    def test_octetTooFew(self) -> None:
        self.assertCaught("octets", RETR_1=b"+OK\r\n" + STUFFED[1:] + b".\r\n")

    def test_octetTooMany(self) -> None:
        self.assertCaught("octets", RETR_1=b"+OK\r\n" + STUFFED + b"\r\n.\r\n")

    def test_sizesOfFiles(self) -> None:
        """LIST that counts a line end as one octet."""
        lie = b"+OK\r\n1 %d\r\n.\r\n" % (len(MESSAGE) - MESSAGE.count(b"\n"))
        self.assertCaught("octets", script="user,pass,list,retr,quit", LIST=lie)

    def test_listAndStatDiffer(self) -> None:
        self.assertCaught("octets", STAT=b"+OK 1 1\r\n")

    def test_wrongContent(self) -> None:
        other = STUFFED.replace(b"Subject", b"subject")
        self.assertCaught("content", RETR_1=b"+OK\r\n" + other + b".\r\n")

    def test_dotsNotStuffed(self) -> None:
        """The message ends at its own dot, and its rest is nonsense."""
        self.assertCaught("octets", RETR_1=b"+OK\r\n" + MESSAGE + b".\r\n")

    def test_dotAndMoreNotStuffed(self) -> None:
        lie = STUFFED.replace(b"..", b".x")
        self.assertCaught("malformed", RETR_1=b"+OK\r\n" + lie + b".\r\n")

    def test_noTermination(self) -> None:
        self.assertCaught("timeout", RETR_1=b"+OK\r\n" + STUFFED)
        self.assertCaught("timeout", UIDL=b"+OK\r\n1 abc\r\n")

    def test_bareLF(self) -> None:
        lie = STUFFED.replace(b"own\r\n", b"own\n")
        self.assertCaught("malformed", RETR_1=b"+OK\r\n" + lie + b".\r\n")
        self.assertCaught("malformed", STAT=b"+OK 1 1\n")

    def test_octetsThatNobodyAskedFor(self) -> None:
        self.assertCaught("malformed", QUIT=b"+OK\r\nbye\r\n")

    def test_messageMissing(self) -> None:
        self.assertCaught("count", STAT=b"+OK 0 0\r\n")
        self.assertCaught("count", UIDL=b"+OK\r\n.\r\n")

    def test_numbersInDisorder(self) -> None:
        self.assertCaught("malformed", UIDL=b"+OK\r\n2 abc\r\n.\r\n")

    def test_uniqueIds(self) -> None:
        self.assertCaught("malformed", UIDL=b"+OK\r\n1 " + b"x" * 71 + b"\r\n.\r\n")
        self.assertCaught("malformed", UIDL=b"+OK\r\n1 a b\r\n.\r\n")

    def test_neitherGoodNorBad(self) -> None:
        self.assertCaught("malformed", STAT=b"OK 1 1\r\n")
        self.assertCaught("malformed", STAT=b"+OKAY 1 1\r\n")

    def test_nobodyListens(self) -> None:
        plan = Plan("u", "user,pass,quit", users=1, connections=1, messages=0)
        with Load(self.programs, 1, plan, (0,), "--sessions", "1") as load:
            load.waitFor("ready")
            load.go()
            self.assertEqual(self.assertRaises(LoadFailed, load.outcome).kind, "closed")
