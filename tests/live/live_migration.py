"""
Moving here from Dovecot and Courier, with mail programs that leave mail on the server:
they download nothing again, and what is new once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.server import Server

from .fetchmail import Fetchmail
from .getmail import Getmail
from .harness import HOST, IMPLICIT, PASSWORD, PLAIN, USER, LiveTestCase, Served
from .messages import Maildir
from .oldservers import Old, courier, dovecot

_COMMAND = [sys.executable, "-c", "import sys; from pop3svc.cli import main; sys.exit(main())"]
_LATER = b"From: walter@example.org\nSubject: later\n\nThis came after the move.\n"
_MESSAGE = b"From: walter@example.org\nMessage-ID: <%d@example.org>\nSubject: %d\n\n%s\n"


def _messages() -> list[bytes]:
    messages = [_MESSAGE % (each, each, b"Are you hungry?\n" * each) for each in range(1, 6)]
    # Twins throughout, and two that only their bodies tell apart.
    return [*messages, messages[1], _MESSAGE % (9, 9, b"one"), _MESSAGE % (9, 9, b"two")]


class MigrationTests(LiveTestCase):
    """@ivar mail: the old server's Maildir."""

    def setUp(self) -> None:
        super().setUp()
        # Old servers give up root, and have to get in; sockets need a short path.
        self.place = Path(tempfile.mkdtemp(prefix="pop3svc-"))
        self.place.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)

    def uidl(self, *words: str, expected: int = 0) -> str:
        """Run C{pop3svc uidl}; what it says."""
        done = subprocess.run(
            [*_COMMAND, "uidl", *words],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OLD": PASSWORD},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done.stdout

    def deliver(self, server: Server, messages: list[bytes]) -> None:
        """As an MTA, into the old server's Maildir."""
        self.mail = Maildir(server.mail / USER)
        self.mail.deliver(*messages)
        owner = pwd.getpwnam("mail")
        for each in (self.mail.path, *self.mail.path.rglob("*")):
            os.chown(each, owner.pw_uid, owner.pw_gid)

    def checkMove(
        self, server: Server, origin: str, *words: str, moved: Callable[[], Path] | None = None
    ) -> None:
        """
        Two programs fetch from the old server; then the same from here.

        @param origin: C{--from}; a URL without its port is completed.
        @param words: more for the import.
        @param moved: makes another Maildir of the old one.
        """
        messages = _messages()
        for name in ("fetchmail", "getmail"):
            (self.directory / name).mkdir()
        fetchmail = Fetchmail(self.directory / "fetchmail")
        getmail = Getmail(self.directory / "getmail")

        def poll(service: Served) -> list[int]:
            """What both get; getmail knows servers by their ports."""
            for each in (self.directory / "getmail").glob("oldmail-*"):
                each.rename(each.with_name(f"oldmail-{HOST}-{service.port()}-{USER}"))
            got = [fetchmail.poll(service, PLAIN, True), getmail.poll(service, PLAIN, True)]
            return [len(each) for each in got]

        def bring() -> str:
            return self.uidl("import", "--from", source, *words, *ours, USER)

        with server:
            self.deliver(server, messages)
            old = Old(server)
            self.assertEqual(poll(old), [len(messages)] * 2)
            self.assertEqual(poll(old), [0, 0])
            place = moved() if moved else self.mail.path
            ours = ("--maildrop", f"maildir:{place.parent}/{{user}}", "--uid", "root")
            address = f"pop3s://{USER}@{HOST}:{old.port(IMPLICIT)}"
            login = ("--ca-file", str(old.authority), "--password-env", "OLD")
            source = address if origin == "pop3s" else origin
            if origin == "pop3s":
                words = login
                said = bring()
            seen = self.uidl("diff", address, address, *login)
            self.assertEqual(seen, "mail programs would notice nothing\n")
        if origin != "pop3s":
            said = bring()
        self.assertIn(f"{len(messages)} of {len(messages)} messages get the unique-id", said)
        self.assertIn(f"{USER}: written\n", said)
        self.assertIn(f"{len(messages)} of them with an imported", self.uidl("verify", *ours, USER))

        service = self.serve("--maildrop", ours[1])
        self.assertEqual(poll(service), [0, 0])
        Maildir(place).deliver(_LATER)
        self.assertEqual(poll(service), [1, 1])
        self.assertEqual(poll(service), [0, 0])
        self.uidl("verify", *ours, USER)

    def test_dovecot(self) -> None:
        """By its list, as it is set up out of the box."""
        self.checkMove(dovecot(self.place), "dovecot-uidlist")

    def test_dovecotFormats(self) -> None:
        """As others have it, with all that our parser knows."""
        for number, text in enumerate(("%v.%u", "%g", "%f", "%Mf", "%LXv-%05u%%%UXv")):
            place = self.place / str(number)
            place.mkdir()
            server = dovecot(place, text)
            with server:
                self.deliver(server, _messages())
                login = ("--ca-file", str(Old(server).authority), "--password-env", "OLD")
                address = f"pop3s://{USER}@{HOST}:{server.tlsPort}"
                # Dovecot lists what it has seen.
                self.uidl("diff", address, address, *login)
                ours = f"maildir:{server.mail}/{{user}}"
                words = ("--uidl-format", text, "--maildrop", ours, "--uid", "root", USER)
                self.uidl("import", "--from", "dovecot-uidlist", *words)
                who = ("--user", USER, "--uid", "root")
                said = self.uidl("diff", address, ours, *who, *login)
                self.assertEqual(said, "mail programs would notice nothing\n")

    def test_courier(self) -> None:
        self.checkMove(courier(self.place), "courierpop3dsizelist")

    def test_courierForms(self) -> None:
        """The unique-ids of all of Courier's versions, as it shows them itself."""
        server = courier(self.place)
        with server:
            self.deliver(server, _messages()[:4])
            names = sorted(each.name for each in (self.mail.path / "new").iterdir())
            os.rename(self.mail.path / "new" / names[0], self.mail.path / "new" / "17+'x")
            entries = zip(["17+'x", *names[1:]], ("0:0", "12:0", "13:99"), strict=False)
            lines = [f"{name}:2, 77 {numbers}" for name, numbers in entries]
            path = self.mail.path / "courierpop3dsizelist"
            path.write_text("\n".join(["/2 14 1600000000", *lines, ""]))
            shutil.chown(path, "mail", "mail")
            login = ("--ca-file", str(Old(server).authority), "--password-env", "OLD")
            address = f"pop3s://{USER}@{HOST}:{server.tlsPort}"
            # Courier writes a list of today, with what it has not seen before.
            self.uidl("diff", address, address, *login)
            self.assertEqual(path.read_text().partition("\n")[0], "/3 15 1600000000")
            ours = f"maildir:{server.mail}/{{user}}"
            words = ("--maildrop", ours, "--uid", "root", USER)
            self.uidl("import", "--from", "courierpop3dsizelist", *words)
            self.assertEqual(
                (self.mail.path / "pop3svc-uidl").read_bytes().split(b"\n")[0], b"17+2B+27x 17+'x"
            )
            who = ("--user", USER, "--uid", "root")
            # The sizes in that list were not right; the unique-ids are the same.
            said = self.uidl("diff", address, ours, *who, *login, expected=1)
            self.assertRegex(said, r"\A3 messages have another size, [^\n]*\n\Z")

    def test_anyServer(self) -> None:
        """What is told by POP3 alone, to a Maildir with other names in another order."""
        server = dovecot(self.place)

        def moved() -> Path:
            place = self.directory / "elsewhere" / USER
            Maildir(place).deliver(*reversed(self.mail.stored()))
            return place

        self.checkMove(server, "pop3s", moved=moved)
