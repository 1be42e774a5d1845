"""
From an avatar id to a directory, without a way out.

A user name is a string that a stranger typed. It becomes path components only
when every octet of it is on a list of harmless ones, and each component below
the template's literal prefix is entered by descriptor and must be a directory
itself, no link: an account owner who turns the Maildir into a symbolic link to
somebody else's reaches nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from difflib import get_close_matches

from ..errors import MaildropUnavailable, SettingError
from .files import Directory
from .troubles import unavailable

_PLACEHOLDERS = ("user", "local", "domain")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# No slash, no NUL, nothing that a shell, a log or a terminal reads as more than
# a letter, and no dot in front: that rules out ".", ".." and hidden files.
_HARMLESS = re.compile(rb"[A-Za-z0-9_+=@-][A-Za-z0-9_+=@.-]{0,254}\Z")
# NAME_MAX of every file system in use.
_COMPONENT_OCTETS = 255


class Place:
    """
    Directories below a prefix.

    @ivar prefix: the directories that are the administrator's and may be links.
    """

    prefix: bytes

    def open(self, components: list[bytes]) -> Directory:
        """
        Walk down from the prefix. Call it in a thread.

        @return: the last directory, readable, for the caller to close.
        @raise MaildropUnavailable: a component is missing, is a link, or
            cannot be entered now.
        """
        with ExitStack() as passed:
            try:
                directory = passed.enter_context(Directory.root(self.prefix))
                for component in components[:-1]:
                    directory = passed.enter_context(directory.passThrough(component))
                return directory.enter(components[-1])
            except OSError as error:
                raise unavailable(error, self.path(components)) from error

    def openCached(self, components: list[bytes]) -> Directory:
        """
        As L{open}, without waiting.

        @raise OSError: for whatever reason; L{open} has the last word.
        """
        with Directory.rootCached(self.prefix) as prefix:
            return prefix.enterCached(b"/".join(components))

    def path(self, components: list[bytes]) -> bytes:
        """The whole path, for the log and as a key; never to be opened."""
        return os.path.join(self.prefix, *components)


class NamedPlace(Place):
    """A maildrop that the administrator has named; only its last part may be no link."""

    def __init__(self, path: str) -> None:
        """@param path: absolute."""
        prefix, last = os.path.split(os.fsencode(path))
        self.prefix, self._last = prefix, last

    def components(self, avatarId: bytes) -> list[bytes]:
        """@param avatarId: not used."""
        return [self._last]


class PathTemplate(Place):
    """
    Where the maildrop of each user lies, for example
    C{/var/mail/{domain}/{local}/Maildir}.

    @ivar prefix: the directories before the first component with a
        placeholder; they are the administrator's and may be links.
    """

    def __init__(self, text: str) -> None:
        """
        @param text: a path with C{{user}}, C{{local}} or C{{domain}} in it. A
            relative one starts at the working directory of this moment.
        @raise SettingError: with a sentence, also when the literal prefix is
            not there.
        """
        for name in _PLACEHOLDER.findall(text):
            if name not in _PLACEHOLDERS:
                near = get_close_matches(name, _PLACEHOLDERS, n=1)
                hint = f"did you mean {{{near[0]}}}?" if near else "write {user}, {local}, {domain}"
                raise SettingError(f"there is no placeholder {{{name}}} for {text!r}; {hint}")
        if "\0" in text or re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
            raise SettingError(f"{text!r} is no path with placeholders like {{user}}")
        parts = [part for part in text.split("/") if part]
        first = next((i for i, part in enumerate(parts) if "{" in part), None)
        if first is None:
            raise SettingError(
                f"{text!r} would be one maildrop for everybody; put {{user}}, or {{domain}} and"
                " {local}, into the path"
            )
        if {".", ".."} & set(parts[first:]):
            raise SettingError(f"{text!r} must not have . or .. behind a placeholder")
        root = "/" if text.startswith("/") else os.getcwd()
        self.prefix = os.fsencode(os.path.join(root, *parts[:first]))
        # re.split gives literal text and placeholders in turn.
        self._components: list[list[bytes | str]] = [
            [
                piece if i % 2 else os.fsencode(piece)
                for i, piece in enumerate(_PLACEHOLDER.split(part))
                if piece
            ]
            for part in parts[first:]
        ]
        self._checkPrefix()

    def components(self, avatarId: bytes) -> list[bytes]:
        """
        The names of the directories below the prefix.

        C{{local}} and C{{domain}} stand around the last C{@}; a name without
        one is local as a whole, and has no maildrop where the template needs a
        domain.

        @raise MaildropUnavailable: no path can be made of the name.
        """
        local, _, domain = avatarId.rpartition(b"@") if b"@" in avatarId else (avatarId, b"", b"")
        values = {"user": avatarId, "local": local, "domain": domain}
        filled = []
        for pieces in self._components:
            # No part is empty or begins with a dot, so the whole is neither "." nor "..".
            component = b"".join(
                [
                    _harmlessPart(values[each], each, avatarId) if isinstance(each, str) else each
                    for each in pieces
                ]
            )
            if len(component) > _COMPONENT_OCTETS:
                raise _noPath(avatarId, "it is too long for the name of a directory")
            filled.append(component)
        return filled

    def _checkPrefix(self) -> None:
        """A wrong path is found at the start, not at the first login."""
        try:
            with Directory.root(self.prefix) as directory:
                # Opening it for passage does not need the right to search it.
                directory.search()
        except OSError as error:
            raise SettingError(
                f"the directory {os.fsdecode(self.prefix)!a} cannot be used"
                f" ({os.strerror(error.errno or 0)}); create it, or correct the maildrops' path"
            ) from error


def _harmlessPart(octets: bytes, placeholder: str, avatarId: bytes) -> bytes:
    """@raise MaildropUnavailable: a path made with these octets could lead away."""
    if not octets:
        raise _noPath(avatarId, f"it has no {placeholder} part")
    if not _HARMLESS.match(octets):
        raise _noPath(avatarId, "only letters, digits and . _ + = @ - may stand in a path")
    return octets


def _noPath(avatarId: bytes, reason: str) -> MaildropUnavailable:
    """The name stands escaped and cut: a stranger wrote it."""
    return MaildropUnavailable(
        f"no path can be made of the user name {avatarId[:80]!r}: {reason};"
        " give the user another name, or a maildrop of another kind"
    )
