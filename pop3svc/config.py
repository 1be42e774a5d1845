"""
The TOML configuration file: every long option under its own name, lists where
an option repeats, a table of limits, and listeners with settings of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_args

from .errors import SettingError
from .factory import ClearTextLogins
from .listeners import ListenerSettings, Network, TLSMode
from .tls import Version

_LISTENER_KEYS = ("endpoint", "tls", "minimum-tls", "networks", "clear-text-logins")


def readFile(path: str) -> dict[str, Any]:
    """
    @return: the file's keys and values, not yet judged.
    @raise SettingError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        # Not TOML's own error alone: also octets that are no UTF-8, and a number
        # of more digits than Python reads.
        raise SettingError(f"{path} is not TOML: {error}") from error
    except RecursionError as error:
        raise SettingError(f"{path} is nested too deeply; no setting needs that") from error


def settingsOf(
    path: str, file: dict[str, Any], parameters: dict[str, bool], flags: Collection[str]
) -> Iterator[tuple[str, str]]:
    """
    A configuration file's options.

    @param path: for the sentences of errors.
    @param parameters: the options that take a value, and whether each repeats.
    @param flags: the options that take none.
    @return: pairs of a long option's name and its value, as on the command
        line; a flag's value is empty. A limit is the option C{limit}.
    @raise SettingError: with a sentence that names the file and the key.
    """
    known = [*parameters, *flags, "limits", "listener"]
    for key, value in file.items():
        if key == "limit":
            raise SettingError(f"{path}: limits stand in the table [limits], as NAME = NUMBER")
        if key not in known:
            raise SettingError(f"{path}: " + _unknown(key, known))
        if key == "limits":
            yield from _limits(path, value)
        elif key in flags:
            if not isinstance(value, bool):
                raise SettingError(f"{path}: {key} is true or false, not {value!r}")
            if value:
                yield key, ""
        elif isinstance(value, list) and key != "listener":
            if not parameters[key]:
                raise SettingError(f"{path}: {key} takes one value, not a list")
            for each in value:
                yield key, _scalar(path, key, each)
        elif key != "listener":
            yield key, _scalar(path, key, value)


def listenersOf(path: str, file: dict[str, Any]) -> list[ListenerSettings]:
    """
    The tables C{[[listener]]} of a configuration file.

    @raise SettingError: with a sentence that names the file and the key.
    """
    tables = file.get("listener", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise SettingError(f"{path}: each listener is a table: [[listener]]")
    return [_listener(f"{path}: listener {n}", table) for n, table in enumerate(tables, 1)]


def _listener(where: str, table: dict[str, Any]) -> ListenerSettings:
    for key in table:
        if key not in _LISTENER_KEYS:
            raise SettingError(f"{where}: " + _unknown(key, _LISTENER_KEYS))
    endpoint = table.get("endpoint")
    if not isinstance(endpoint, str):
        raise SettingError(f'{where}: give an endpoint, such as endpoint = "tcp:110"')
    return ListenerSettings(
        endpoint,
        tls=_choice(where, table, "tls", get_args(TLSMode), "stls"),
        minimumTLS=_choice(where, table, "minimum-tls", get_args(Version), "1.2"),
        clearTextLogins=_choice(
            where, table, "clear-text-logins", get_args(ClearTextLogins), "loopback"
        ),
        networks=_networks(where, table.get("networks", [])),
    )


def _choice(
    where: str, table: dict[str, Any], key: str, choices: tuple[Any, ...], default: str
) -> Any:
    value = table.get(key, default)
    if value not in choices:
        raise SettingError(f"{where}: {key} is one of {', '.join(choices)}, not {value!r}")
    return value


def _networks(where: str, texts: object) -> tuple[Network, ...]:
    if not isinstance(texts, list):
        raise SettingError(f'{where}: networks is a list, such as ["192.0.2.0/24", "::1"]')
    try:
        return tuple(ip_network(each) for each in texts)
    except ValueError as error:
        raise SettingError(f"{where}: networks: {error}") from error


def _limits(path: str, table: object) -> Iterator[tuple[str, str]]:
    if not isinstance(table, dict):
        raise SettingError(f"{path}: limits is a table: [limits]")
    for name, value in table.items():
        yield "limit", f"{name}={_scalar(path, name, value)}"


def _scalar(path: str, key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SettingError(f"{path}: {key} takes a text or a whole number, not {value!r}")
    if isinstance(value, str) and "\0" in value:
        # In a path the system's own error for it would be no sentence of ours.
        raise SettingError(f"{path}: {key} holds a NUL; remove it")
    if isinstance(value, int) and value.bit_length() > 64:
        raise SettingError(f"{path}: {key} is too large a number for any setting")
    return str(value)


def _unknown(key: str, known: Collection[str]) -> str:
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no setting {key!r}{hint}"
