"""
L{pop3svc.cli}, as the command C{pop3svc}.
"""

from __future__ import annotations

import getpass
import os
import stat
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pop3svc import cli
from pop3svc.auth.passwdfile import parse
from pop3svc.auth.schemes import verify

COMMAND = [sys.executable, "-c", "import sys; from pop3svc.cli import main; sys.exit(main())"]


def hintAbout(path: str) -> str:
    """What is said when a file is made."""
    return (
        f"pop3svc: {path} is new, and only you can read it; the user that the service"
        " runs as must be able to: chown root:GROUP and chmod 0640\n"
    )


class CommandTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(os.path.abspath(self.mktemp()))

    def run_(self, *words: str, given: bytes = b"") -> tuple[int, str, str]:
        """
        The command in this process.

        @param given: on standard input.
        @return: exit status, standard output, standard error.
        """
        out, err = StringIO(), StringIO()
        with (
            mock.patch("sys.stdin", TextIOWrapper(BytesIO(given))),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            status = cli.main(["passwd", words[0], str(self.path), *words[1:]])
        return status, out.getvalue(), err.getvalue().replace(str(self.path), "FILE")

    def stored(self, user: bytes, index: int = 0) -> bytes:
        found = parse(self.path.read_bytes(), 20).users[user].credentials[index].stored
        assert found is not None
        return found


class NewFileTests(CommandTestCase):
    def test_hint(self) -> None:
        """Whoever makes a file hears once that the service must read it."""
        status, _, err = self.run_("set", "karl", "--stdin", given=b"secret\n")
        self.assertEqual(
            (status, err),
            (
                0,
                hintAbout("FILE"),
            ),
        )
        status, _, err = self.run_("set", "karl", "--stdin", given=b"other\n")
        self.assertEqual((status, err), (0, ""))


class ProcessTests(CommandTestCase):
    """In a process of its own, as it is used."""

    def call(self, *words: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
        done = subprocess.run([*COMMAND, *words], input=given, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_setVerifyListDelete(self) -> None:
        path = str(self.path)
        for words, given, expected in (
            (
                ("set", path, "karl", "--stdin"),
                b"secret\n",
                (0, b"the password is set\n", hintAbout(path).encode()),
            ),
            (
                ("verify", path, "karl", "--stdin"),
                b"secret\n",
                (0, b"the password is right: karl - argon2id\n", b""),
            ),
            (
                ("verify", path, "karl", "--stdin"),
                b"wrong\n",
                (1, b"", b"pop3svc: the password is wrong\n"),
            ),
            (("list", path), b"", (0, b"karl - argon2id\n", b"")),
            (("delete", path, "karl"), b"", (0, b"the user is deleted\n", b"")),
            (("list", path), b"", (0, b"", b"")),
        ):
            self.assertEqual(self.call("passwd", *words, given=given), expected)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_atOnce(self) -> None:
        """However many change the file together, nothing of it is lost."""
        words = ["passwd", "set", str(self.path), "--stdin", "--scheme", "plain"]
        running = [
            subprocess.Popen(
                [*COMMAND, *words, f"user{number}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
            for number in range(5)
        ]
        for number, each in enumerate(running):
            each.communicate(b"password%d\n" % number)
        self.assertEqual([each.returncode for each in running], [0] * 5)
        self.assertEqual(
            sorted(self.path.read_bytes().splitlines()),
            [b"user%d:{PLAIN}password%d" % (number, number) for number in range(5)],
        )
        self.assertEqual(list(self.path.parent.glob(".passwd-*")), [])


class SetTests(CommandTestCase):
    def test_prompts(self) -> None:
        """Asked for twice, and never among the arguments."""
        with mock.patch.object(getpass, "getpass", side_effect=["secret", "secret"]) as asked:
            self.assertEqual(self.run_("set", "karl")[:2], (0, "the password is set\n"))
        self.assertEqual(asked.call_args_list, [mock.call("Password: "), mock.call("Again: ")])
        self.assertIs(verify(self.stored(b"karl"), b"secret"), True)

    def test_notTheSame(self) -> None:
        with mock.patch.object(getpass, "getpass", side_effect=["secret", "secert"]):
            status, _, said = self.run_("set", "karl")
        self.assertEqual(
            (status, said),
            (1, "pop3svc: the two passwords are not the same; nothing was changed\n"),
        )
        self.assertFalse(self.path.exists())

    def test_givenUp(self) -> None:
        """Ctrl-C, Ctrl-D, or nothing on standard input."""
        expected = (1, "", "pop3svc: nothing was done, because no password was given\n")
        for error in (KeyboardInterrupt, EOFError):
            with mock.patch.object(getpass, "getpass", side_effect=error):
                self.assertEqual(self.run_("set", "karl"), expected)
        self.assertEqual(self.run_("set", "karl", "--stdin"), expected)
        self.assertFalse(self.path.exists())

    def test_everyOption(self) -> None:
        words = (
            *("set", "karl", "--stdin", "--name", "phone", "--scheme", "plain", "--read-only"),
            *("--networks", "192.0.2.0/24,[::1]", "--expires", "2027-01-31"),
        )
        self.run_(*words, given=b"secret\n")
        self.assertEqual(
            self.path.read_bytes(),
            b"karl:{PLAIN}secret:name=phone:networks=192.0.2.0/24,[::1]:expires=2027-01-31"
            b":read-only\n",
        )
        words = (
            *("set", "karl", "--stdin", "--name", "phone", "--scheme", "plain"),
            *("--no-read-only", "--networks", "any", "--expires", "never"),
        )
        self.assertEqual(self.run_(*words, given=b"other"), (0, "the password is changed\n", ""))
        self.assertEqual(self.path.read_bytes(), b"karl:{PLAIN}other:name=phone\n")

    def test_scram(self) -> None:
        self.run_("set", "karl", "--stdin", "--scheme", "scram-sha-256", given=b"secret\r\n")
        self.assertIs(verify(self.stored(b"karl"), b"secret"), True)
        self.assertTrue(self.stored(b"karl").startswith(b"{SCRAM-SHA-256}32768,"))

    def test_userNamesAreOctets(self) -> None:
        self.run_("set", "k\udce4rl", "--stdin", "--scheme", "plain", given=b"x")
        self.assertEqual(self.path.read_bytes(), b"k\xe4rl:{PLAIN}x\n")
        self.assertEqual(self.run_("list"), (0, "k\\xe4rl - plain\n", ""))

    def test_wrong(self) -> None:
        """One sentence each, and no file."""
        for words, given, sentence in (
            (("karl", "--stdin", "--name", "a b"), b"x", "name= takes letters"),
            (("karl", "--stdin", "--networks", "lan"), b"x", "networks are written 192.0.2.0/24"),
            (("karl", "--stdin", "--expires", "soon"), b"x", "expires= takes a day"),
            (("karl", "--stdin"), b"\n", "a password has one octet at the least, and no NUL"),
            (("karl", "--scheme", "md5"), b"", "argument --scheme: invalid choice: 'md5'"),
            ((), b"", "the following arguments are required: USER"),
            (("karl", "secret"), b"", "unrecognized arguments: secret"),
        ):
            status, out, said = self.run_("set", *words, given=given)
            self.assertEqual((status, out), (1, ""))
            self.assertEqual(said.count("\n"), 1)
            self.assertIn(sentence, said)


class OtherTests(CommandTestCase):
    def test_list(self) -> None:
        """All that is known but the hashes; what is wrong in the file as well."""
        self.path.write_bytes(
            b"karl:{PLAIN}a:maildrop=/srv/k\njoe:!\njim:{PLAIN}s3cret:networs=::1\n"
            b"karl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:name=phone:networks=[::1]:expires=2027-01-31"
            b":read-only:nopop3\n"
        )
        status, out, said = self.run_("list")
        self.assertEqual(status, 1)
        self.assertEqual(
            out,
            "karl - plain maildrop=/srv/k\n"
            "karl phone sha networks=[::1] expires=2027-01-31 read-only nopop3\n"
            "joe - locked by the mark before the hash\n"
            "jim - locked by a line that is malformed\n",
        )
        self.assertEqual(
            said,
            "pop3svc: FILE line 3: there is a field that is not known; did you mean networks?\n",
        )
        self.assertEqual(self.run_("list", "joe")[1], "joe - locked by the mark before the hash\n")

    def test_delete(self) -> None:
        self.path.write_bytes(b"karl:{PLAIN}a\nkarl:{PLAIN}b:name=phone\n")
        self.assertEqual(
            self.run_("delete", "karl", "--name", "phone"), (0, "the password is deleted\n", "")
        )
        missing = (
            1,
            "",
            "pop3svc: there is no such password; pop3svc passwd list shows them\n",
        )
        self.assertEqual(self.run_("delete", "karl", "--name", "phone"), missing)
        self.assertEqual(self.run_("delete", "joe"), missing)
        self.assertEqual(self.path.read_bytes(), b"karl:{PLAIN}a\n")

    def test_verify(self) -> None:
        self.path.write_bytes(
            b"karl:{PLAIN}a:networks=::1\njoe:{PLAIN}b\njoe:{PLAIN}c:name=old:expires=2001-01-01\n"
            b"jim:!\nshut:{PLAIN}d:nopop3\nlan:{PLAIN}e:networks=192.0.2.0/24\n"
        )
        for user, password, status, out, said in (
            ("joe", b"b", 0, "the password is right: joe - plain\n", ""),
            (
                "joe",
                b"c",
                1,
                "the password is right: joe old plain expires=2001-01-01\n",
                "it is kept from POP3 by expires",
            ),
            (
                "shut",
                b"d",
                1,
                "the password is right: shut - plain nopop3\n",
                "it is kept from POP3 by nopop3",
            ),
            ("lan", b"e", 0, "the password is right: lan - plain networks=192.0.2.0/24\n", ""),
            ("joe", b"x", 1, "", "the password is wrong"),
            ("jim", b"x", 1, "", "the user is locked by the mark before the hash"),
            ("karl", b"a", 1, "", "the user is locked by a line that is malformed"),
            ("jo", b"x", 1, "", "there is no such user; pop3svc passwd list shows them"),
        ):
            expected = (status, out, f"pop3svc: {said}\n" if said else "")
            self.assertEqual(self.run_("verify", user, "--stdin", given=password), expected)

    def test_noFile(self) -> None:
        for words in (("list",), ("verify", "karl")):
            status, _, said = self.run_(*words)
            self.assertEqual((status, said), (1, "pop3svc: FILE: No such file or directory\n"))
        status, _, said = self.run_("delete", "karl")
        self.assertEqual(status, 1)
        self.assertIn("cannot change FILE: No such file or directory", said)

    def test_missingLibrary(self) -> None:
        """The sentence that says what to install."""
        self.path.write_bytes(b"karl:$6$rounds=1000$saltstring$x\n")
        with mock.patch.dict(sys.modules, {"passlib": None, "passlib.hash": None}):
            from pop3svc.auth import libraries

            libraries._handler.cache_clear()
            self.addCleanup(libraries._handler.cache_clear)
            status, _, said = self.run_("list")
        self.assertEqual(status, 1)
        self.assertIn("run: pip install 'pop3svc[passwd]'", said)

    def test_help(self) -> None:
        for words in (["--help"], ["passwd", "--help"], ["passwd", "set", "--help"]):
            out = StringIO()
            with redirect_stdout(out):
                self.assertEqual(self.assertRaises(SystemExit, cli.main, words).code, 0)
            self.assertIn("usage: pop3svc", out.getvalue())

    def test_nothing(self) -> None:
        err = StringIO()
        with redirect_stderr(err):
            self.assertEqual(cli.main([]), 1)
        self.assertEqual(
            err.getvalue(),
            "pop3svc: the following arguments are required: COMMAND; see pop3svc --help\n",
        )

    def test_interrupted(self) -> None:
        """A command that asks for no password speaks of none."""
        for words, why in (
            (["check"], "stopped"),
            (["passwd", "list", "x"], "nothing was done, because no password was given"),
        ):
            err = StringIO()
            with (
                redirect_stderr(err),
                mock.patch("argparse.ArgumentParser.parse_args", side_effect=KeyboardInterrupt),
            ):
                cli.main(words)
            self.assertEqual(err.getvalue(), f"pop3svc: {why}\n")
