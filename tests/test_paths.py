"""L{pop3svc.maildrops.paths}: user names, and no way out of the prefix."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import MaildropUnavailable, SettingError
from pop3svc.maildrops.paths import PathTemplate

HOSTILE = [
    b"",
    b".",
    b"..",
    b"../karl",
    b"karl/../joe",
    b"/etc",
    b"karl/",
    b"/",
    b"\\..\\",
    b".hidden",
    b"karl\0",
    b"karl\n",
    b"karl\r\nFAKE LOG LINE",
    b"karl ",
    b"\x1b[2Jkarl",
    b"~root",
    b"$HOME",
    b"{user}",
    b"%2e%2e",
    b"k\xc3\xa4rl",
    b"\xff\xfe",
    b"\xc0\xae\xc0\xae",
    b"..\xef\xbc\x8f",
    b"a" * 256,
    b"a:b",
    b"*",
]


class TemplateTests(SynchronousTestCase):
    """What can be wrong with a template is found at once."""

    def refused(self, text: str) -> str:
        with self.assertRaises(SettingError) as caught:
            PathTemplate(text)
        return str(caught.exception)

    def test_unknownPlaceholder(self) -> None:
        self.assertEqual(
            self.refused("/{usr}"),
            "there is no placeholder {usr} for '/{usr}'; did you mean {user}?",
        )
        self.assertEqual(
            self.refused("/{}"),
            "there is no placeholder {} for '/{}'; write {user}, {local}, {domain}",
        )

    def test_noPlaceholder(self) -> None:
        for text in ("", "/", "/tmp", "tmp/Maildir"):
            self.assertIn("would be one maildrop for everybody; put {user}", self.refused(text))

    def test_malformed(self) -> None:
        for text in ("/{user", "/user}", "/{user}}", "/{{user}}x{", "/\0{user}"):
            self.assertEqual(
                self.refused(text), f"{text!r} is no path with placeholders like {{user}}"
            )

    def test_dotsBehindPlaceholder(self) -> None:
        for text in ("/{user}/..", "/{user}/../x", "/{user}/./x"):
            self.assertEqual(
                self.refused(text), f"{text!r} must not have . or .. behind a placeholder"
            )

    def test_prefixMissing(self) -> None:
        self.assertEqual(
            self.refused("/no where/{user}"),
            "the directory '/no where' cannot be used (No such file or directory);"
            " create it, or correct the maildrops' path",
        )

    def test_prefixIsAFile(self) -> None:
        path = Path(self.mktemp()).absolute()
        path.write_bytes(b"")
        self.assertIn("cannot be used (Not a directory)", self.refused(f"{path}/{{user}}"))

    def test_prefixNotSearchable(self) -> None:
        """Root may search everything, so the kernel's refusal is played."""

        def refuse(*args: object, **kwargs: object) -> None:
            raise PermissionError(13, "no")

        self.patch(os, "stat", refuse)
        self.assertIn("'/' cannot be used (Permission denied)", self.refused("/{user}"))

    def test_prefix(self) -> None:
        """Whole components before the first placeholder."""
        root = Path(self.mktemp()).absolute()
        (root / "mail").mkdir(parents=True)
        template = PathTemplate(f"{root}//mail/x{{user}}/{{domain}}")
        self.assertEqual(template.prefix, os.fsencode(root / "mail"))

    def test_relative(self) -> None:
        """A relative template starts where the service was started, for ever."""
        self.assertEqual(PathTemplate("{user}").prefix, os.fsencode(os.getcwd()))


class ComponentsTests(SynchronousTestCase):
    """From names to components."""

    def test_values(self) -> None:
        template = PathTemplate("/{domain}/{local}-of-{user}/Maildir")
        self.assertEqual(
            template.components(b"a@b@c.example"),
            [b"c.example", b"a@b-of-a@b@c.example", b"Maildir"],
        )
        self.assertEqual(template.path([b"c.example", b"x", b"Maildir"]), b"/c.example/x/Maildir")

    def test_localWithoutDomain(self) -> None:
        self.assertEqual(PathTemplate("/{local}").components(b"karl"), [b"karl"])

    def test_harmlessNames(self) -> None:
        for name in (b"karl", b"K.A-r_l+box=1@host.example", b"-rf", b"a" * 255):
            self.assertEqual(PathTemplate("/{user}").components(name), [name])

    def test_hostileNames(self) -> None:
        template = PathTemplate("/{user}")
        for name in HOSTILE:
            with self.subTest(name=name), self.assertRaises(MaildropUnavailable):
                template.components(name)

    def test_hostileParts(self) -> None:
        """Each part has to be harmless for itself, even where the whole name is."""
        template = PathTemplate("/{domain}/{local}")
        for name in (b"karl", b"karl@", b"@host", b"karl@..", b"..@host", b"karl@.h", b"@", b".@h"):
            with self.subTest(name=name), self.assertRaises(MaildropUnavailable):
                template.components(name)

    def test_missingPart(self) -> None:
        with self.assertRaisesRegex(MaildropUnavailable, "'karl': it has no domain part; give"):
            PathTemplate("/{domain}/{local}").components(b"karl")

    def test_composedComponent(self) -> None:
        """Literal text around a harmless name cannot make it harmful, or too long."""
        self.assertEqual(PathTemplate("/.{user}").components(b"karl"), [b".karl"])
        with self.assertRaises(MaildropUnavailable):
            PathTemplate("/x{user}").components(b"a" * 255)

    def test_errorIsEscaped(self) -> None:
        """What a stranger typed reaches the log cut and without control octets."""
        with self.assertRaises(MaildropUnavailable) as caught:
            PathTemplate("/{user}").components(b"\x1b]0;x\r\n" + b"\xe4" * 500)
        text = str(caught.exception)
        self.assertTrue(text.isascii() and text.isprintable())
        self.assertLess(len(text), 500)

    @settings(deadline=None)
    @given(st.binary(max_size=300) | st.text("./@ak\0", max_size=8).map(str.encode))
    def test_neverOutside(self, name: bytes) -> None:
        """Whatever the name, each component is one harmless name."""
        try:
            components = PathTemplate("/{domain}/{local}/{user}").components(name)
        except MaildropUnavailable:
            return
        self.assertEqual(len(components), 3)
        for component in components:
            self.assertNotIn(b"/", component)
            self.assertNotIn(b"\0", component)
            self.assertNotIn(component, (b"", b".", b".."))
            self.assertLessEqual(len(component), 255)


class OpenTests(SynchronousTestCase):
    """Walking down by descriptor."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        (self.root / "mail/h/karl/Maildir").mkdir(parents=True)
        self.template = PathTemplate(f"{self.root}/mail/{{domain}}/{{local}}/Maildir")
        self.components = [b"h", b"karl", b"Maildir"]

    def refused(self) -> str:
        before = len(os.listdir("/proc/self/fd"))
        with self.assertRaises(MaildropUnavailable) as caught:
            self.template.open(self.components)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before, "a descriptor leaks")
        return str(caught.exception)

    def test_open(self) -> None:
        before = len(os.listdir("/proc/self/fd"))
        with self.template.open(self.components) as directory:
            self.assertEqual(
                os.fstat(directory.descriptor).st_ino,
                (self.root / "mail/h/karl/Maildir").stat().st_ino,
            )
            self.assertFalse(os.get_inheritable(directory.descriptor))
            self.assertEqual(len(os.listdir("/proc/self/fd")), before + 1)

    def test_missing(self) -> None:
        (self.root / "mail/h/karl/Maildir").rmdir()
        self.assertEqual(
            self.refused(),
            f"the Maildir '{self.root}/mail/h/karl/Maildir' is not there as a whole;"
            " create it with its directories new, cur and tmp",
        )

    def test_linkInEachComponent(self) -> None:
        """The owner of an account turns a part of the path into a link to others' mail."""
        for part in ("mail/h", "mail/h/karl", "mail/h/karl/Maildir"):
            with self.subTest(part=part):
                real = self.root / part
                moved = real.rename(self.root / "moved")
                real.symlink_to(moved)
                self.assertIn("symbolic link, which is not followed", self.refused())
                real.unlink()
                moved.rename(real)

    def test_fileAsComponent(self) -> None:
        (self.root / "mail/h/karl/Maildir").rmdir()
        (self.root / "mail/h/karl/Maildir").write_bytes(b"")
        self.assertIn("a part that is no directory", self.refused())

    def test_prefixMayBeALink(self) -> None:
        """The prefix is the administrator's."""
        (self.root / "link").symlink_to(self.root / "mail")
        template = PathTemplate(f"{self.root}/link/{{domain}}/{{local}}/Maildir")
        template.open(self.components).close()
