"""
The TOML configuration file: every long option under its own name, lists where
an option repeats, a table of limits, and listeners with settings of their own.

Whatever is wrong in it is said with its line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple, get_args

from .errors import SettingError
from .factory import ClearTextLogins
from .keylines import KeyLines
from .limits import Limits, optionName
from .listeners import ListenerSettings, Network, TLSMode
from .tls import Version

_LISTENER_KEYS = ("endpoint", "tls", "minimum-tls", "networks", "clear-text-logins")
# How tomllib ends its sentences.
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Setting(NamedTuple):
    """
    @ivar name: an option's long name; a limit is the option C{limit}.
    @ivar value: as on the command line; a flag's is empty.
    @ivar where: the file and the line, for sentences.
    """

    name: str
    value: str
    where: str


class ConfigFile:
    """One file, read and not yet judged."""

    def __init__(self, path: str, text: str) -> None:
        """
        @param path: for the sentences of errors.
        @raise SettingError: the text is not TOML.
        """
        self._path = path
        self._lines = KeyLines(text)
        try:
            self._values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._notTOML(str(error), text) from error
        except RecursionError as error:
            raise SettingError(f"{path} is nested too deeply; no setting needs that") from error
        except ValueError as error:
            # A number of more digits than Python reads.
            raise SettingError(f"{path} is not TOML: {error}") from error

    @classmethod
    def read(cls, path: str) -> ConfigFile:
        """@raise SettingError: it cannot be read, or is not TOML."""
        try:
            octets = Path(path).read_bytes()
        except OSError as error:
            raise SettingError(f"cannot read {path}: {error.strerror}") from error
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError as error:
            line = octets.count(b"\n", 0, error.start) + 1
            raise SettingError(
                f"{path} line {line}: this is no UTF-8; save the file as that"
            ) from error
        return cls(path, text)

    def settings(self, parameters: Mapping[str, bool], flags: Collection[str]) -> Iterator[Setting]:
        """
        The options.

        @param parameters: the options that take a value, and whether each repeats.
        @param flags: the options that take none.
        @raise SettingError: with a sentence that names the file, the line and the key.
        """
        known = [*parameters, *flags, "limits", "listener"]
        for key, value in self._values.items():
            where = self._where(key)
            if key == "limit":
                raise SettingError(f"{where}: limits stand in the table [limits], as NAME = NUMBER")
            if key not in known:
                raise SettingError(f"{where}: " + _unknown(key, known))
            if key == "limits":
                yield from self._limits(value, known)
            elif key in flags:
                if not isinstance(value, bool):
                    raise SettingError(f"{where}: {key} is true or false, not {value!r}")
                if value:
                    yield Setting(key, "", where)
            elif isinstance(value, list) and key != "listener":
                if not parameters[key]:
                    raise SettingError(f"{where}: {key} takes one value, not a list")
                for index, each in enumerate(value):
                    where = self._where(key, index)
                    yield Setting(key, _scalar(where, key, each), where)
            elif key != "listener":
                yield Setting(key, _scalar(where, key, value), where)

    def listeners(self) -> list[ListenerSettings]:
        """
        The tables C{[[listener]]}.

        @raise SettingError: with a sentence that names the file, the line and the key.
        """
        tables = self._values.get("listener", [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            where = self._where("listener")
            raise SettingError(f"{where}: each listener is a table: [[listener]]")
        return [self._listener(n, table) for n, table in enumerate(tables)]

    def _listener(self, n: int, table: dict[str, Any]) -> ListenerSettings:
        for key in table:
            if key not in _LISTENER_KEYS:
                raise SettingError(
                    f"{self._where('listener', n, key)}: "
                    + _unknown(key, _LISTENER_KEYS, " of a listener")
                )
        endpoint = table.get("endpoint")
        if not isinstance(endpoint, str):
            where = self._where("listener", n, *(["endpoint"] if "endpoint" in table else []))
            raise SettingError(f'{where}: give an endpoint, such as endpoint = "tcp:110"')
        return ListenerSettings(
            endpoint,
            tls=self._choice(n, table, "tls", get_args(TLSMode), "stls"),
            minimumTLS=self._choice(n, table, "minimum-tls", get_args(Version), "1.2"),
            clearTextLogins=self._choice(
                n, table, "clear-text-logins", get_args(ClearTextLogins), "loopback"
            ),
            networks=self._networks(n, table.get("networks", [])),
        )

    def _choice(
        self, n: int, table: dict[str, Any], key: str, choices: tuple[Any, ...], default: str
    ) -> Any:
        value = table.get(key, default)
        if value not in choices:
            where = self._where("listener", n, key)
            raise SettingError(f"{where}: {key} is one of {', '.join(choices)}, not {value!r}")
        return value

    def _networks(self, n: int, texts: object) -> tuple[Network, ...]:
        if not isinstance(texts, list):
            where = self._where("listener", n, "networks")
            raise SettingError(f'{where}: networks is a list, such as ["192.0.2.0/24", "::1"]')
        networks = []
        for index, each in enumerate(texts):
            where = self._where("listener", n, "networks", index)
            if not isinstance(each, str):
                # A number would be taken for an address.
                raise SettingError(f"{where}: a network is a text, not {each!r}")
            try:
                networks.append(ip_network(each))
            except ValueError as error:
                raise SettingError(f"{where}: networks: {error}") from error
        return tuple(networks)

    def _limits(self, table: object, options: Collection[str]) -> Iterator[Setting]:
        if not isinstance(table, dict):
            raise SettingError(f"{self._where('limits')}: limits is a table: [limits]")
        names = [optionName(each.name) for each in fields(Limits)]
        for name, value in table.items():
            where = self._where("limits", name)
            if name in options and name not in names:
                raise SettingError(f"{where}: {name} is no limit; write it above the first [table]")
            text = _scalar(where, name, value)
            try:
                Limits.setting(name, text)
            except ValueError as error:
                raise SettingError(f"{where}: {error}") from error
            yield Setting("limit", f"{name}={text}", where)

    def _where(self, *path: str | int) -> str:
        """The file, and the line of a key if it is known."""
        line = self._lines.line(*path)
        return self._path if line is None else f"{self._path} line {line}"

    def _notTOML(self, sentence: str, text: str) -> SettingError:
        if self._lines.repeated is not None:
            key, first, second = self._lines.repeated
            return SettingError(
                f"{self._path} line {second}: {key} stands in line {first} already; remove one"
            )
        place = _PLACE.search(sentence)
        if place is None:
            return SettingError(f"{self._path} is not TOML: {sentence}")
        # Other marks that Python takes for line ends may stand in a text or a comment.
        end = text.rstrip("\r\n").count("\n") + 1
        where = f"line {place[1]}, column {place[2]}" if place[1] else f"line {end}, at its end"
        reason = sentence[: place.start()]
        hint = '; texts stand in quotes, as in "tcp:110"' if reason == "Invalid value" else ""
        return SettingError(f"{self._path} {where}: this is not TOML: {reason}{hint}")


def _scalar(where: str, key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SettingError(f"{where}: {key} takes a text or a whole number, not {value!r}")
    if isinstance(value, str) and "\0" in value:
        # In a path the system's own error for it would be no sentence of ours.
        raise SettingError(f"{where}: {key} holds a NUL; remove it")
    if isinstance(value, int) and value.bit_length() > 64:
        raise SettingError(f"{where}: {key} is too large a number for any setting")
    return str(value)


def _unknown(key: str, known: Collection[str], of: str = "") -> str:
    if key in [optionName(each.name) for each in fields(Limits)]:
        return f"{key} is a limit; write it into the table [limits]"
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no setting {key!r}{of}{hint}"
