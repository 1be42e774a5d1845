"""
What administrators write: the TOML file, limits, the settings file of a checker.
Whatever stands there, it is taken or refused with one sentence.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from random import Random

from pop3svc.auth.settingsfile import SettingsFile
from pop3svc.certificates import readPair
from pop3svc.errors import SettingError
from pop3svc.limits import Limits, optionName
from pop3svc.options import Options

from .case import Case, corpus
from .mutation import mutate
from .naiveanswers import Wrong

_NAMES = [optionName(each.name).encode() for each in fields(Limits)]
_VALUES = (
    *(b"1", b"0", b"-1", b"1.5", b"1e400", b"nan", b"true", b"9" * 5000, b"0x" + b"f" * 5000),
    *(b'"a"', b'""', b'"\\u0000"', b'"\\uFFFF"', b"[]", b"[1]", b'["a", "b"]', b"{}", b"[[]]"),
    *(b"1979-05-27", b"07:32:00", b"{a = 1}", b'["\\u0000"]', b"[" * 3000 + b"]" * 3000),
    *(b'"::/0"', b'["0.0.0.0/33"]', b'["1.2.3.4/8", "::1"]', b"'''\n'''", b"0b2", b"_1"),
)
_KEYS = (
    *(b"pop3", b"pop3s", b"certificate", b"private-key", b"auth", b"maildrop", b"limit", b"limits"),
    *(b"demo", b"apop", b"mechanism", b"client-ca", b"secret", b"log-format", b"listener"),
    *(b"clear-text-logins", b"endpoint", b"tls", b"minimum-tls", b"networks", b"help", b"config"),
    *(b"[limits]", b"[[listener]]", b"[listener]", b"a.b", b'""', b'"\\u0000"', b"version"),
)


class SettingsText:
    """A text of settings, made by changing those of the corpus."""

    name: str
    unit = "files"

    def make(self, dice: Random) -> Case:
        known = [each.data for each in corpus(self.name)]
        data = dice.choice(known)
        for _ in range(dice.choice((1, 1, 2, 3))):
            data = _changed(dice, data, known)
        return Case(self.name, (data,))


class Configurations(SettingsText):
    """The target: C{--config FILE}, as far as it is read before anything is made of it."""

    name = "configurations"

    def check(self, case: Case) -> int:
        with tempfile.NamedTemporaryFile(prefix="pop3svc-fuzz-") as file:
            file.write(case.data)
            file.flush()
            options = Options()
            try:
                options.parseOptions(["--config", file.name])
            except SystemExit as end:
                _checkSentence(str(end.code))
                return 1
            # What was good once is good again, and what it says can be used.
            options.again()
        if any(not isinstance(getattr(options.limits, each.name), int) for each in fields(Limits)):
            raise Wrong(f"{options.limits} are no limits")
        for path in options.given["certificate"]:
            with contextlib.suppress(SettingError):
                readPair(path, path)
        for listener in options.listeners:
            if not isinstance(listener.endpoint, str):
                raise Wrong(f"{listener} has no endpoint")
        return 1


class LimitTexts:
    """The target: C{--limit NAME=NUMBER}; the pieces of a case are texts in UTF-8."""

    name = "limits"
    unit = "settings"

    def make(self, dice: Random) -> Case:
        texts = []
        for _ in range(dice.randrange(1, 4)):
            text = dice.choice(_NAMES) + b"=" + dice.choice((b"1", b"60", b"100000", *_VALUES))
            if dice.randrange(3):
                text = mutate(dice, text, _NAMES)
            texts.append(text)
        return Case(self.name, tuple(texts))

    def check(self, case: Case) -> int:
        texts = [each.decode("utf-8", "surrogateescape") for each in case.pieces]
        try:
            limits = Limits.parse(texts)
        except ValueError as error:
            _checkSentence(str(error))
            return 1
        given = dict(each.split("=", 1) for each in texts)
        for each in fields(Limits):
            value = getattr(limits, each.name)
            said = next((v for k, v in given.items() if k.strip() == optionName(each.name)), None)
            if value < each.metadata["least"] or (said is not None and int(said) != value):
                raise Wrong(f"{said!r} has made {each.name} {value}")
        return 1


class SettingsFiles(SettingsText):
    """The target: the TOML file of one checker."""

    name = "settingsfiles"
    _keys = ("uri", "base", "secret-file", "scopes")

    def check(self, case: Case) -> int:
        with tempfile.TemporaryDirectory(prefix="pop3svc-fuzz-") as directory:
            path = Path(directory) / "settings.toml"
            path.write_bytes(case.data)
            try:
                file = SettingsFile(str(path), self._keys)
                for key in self._keys:
                    for read in (file.texts, file.secret, file.text):
                        try:
                            read(key)
                        except SettingError as error:
                            _checkSentence(str(error))
            except SettingError as error:
                _checkSentence(str(error))
        return 1


def _changed(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Octets are changed, or a whole value."""
    if dice.randrange(2):
        return mutate(dice, data, others)
    lines = data.splitlines(True)
    at = dice.randrange(len(lines) + 1)
    if dice.randrange(2) and at < len(lines):
        key = lines[at].partition(b"=")[0].strip() or b"a"
        lines[at] = key + b" = " + dice.choice(_VALUES) + b"\n"
    else:
        lines.insert(at, dice.choice((*_KEYS, *_NAMES)) + b" = " + dice.choice(_VALUES) + b"\n")
    return b"".join(lines)


def _checkSentence(text: str) -> None:
    if len(text) < 10 or "Traceback" in text:
        raise Wrong(f"{text[:200]!r} helps nobody")
