"""
The TOML configuration file: every long option under its own name, lists where
an option repeats, and a table of limits.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from .errors import SettingError


def readConfig(
    path: str, parameters: dict[str, bool], flags: set[str]
) -> Iterator[tuple[str, str]]:
    """
    A configuration file as options.

    @param parameters: the options that take a value, and whether each repeats.
    @param flags: the options that take none.
    @return: pairs of a long option's name and its value, as on the command
        line; a flag's value is empty. A limit is the option C{limit}.
    @raise SettingError: with a sentence that names the file and the key.
    """
    try:
        settings = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not TOML: {error}") from error
    for key, value in settings.items():
        if key == "limits":
            yield from _limits(path, value)
        elif key in flags:
            if not isinstance(value, bool):
                raise SettingError(f"{path}: {key} is true or false, not {value!r}")
            if value:
                yield key, ""
        elif key not in parameters:
            raise SettingError(_unknown(path, key, [*parameters, *flags, "limits"]))
        elif isinstance(value, list):
            if not parameters[key]:
                raise SettingError(f"{path}: {key} takes one value, not a list")
            for each in value:
                yield key, _scalar(path, key, each)
        else:
            yield key, _scalar(path, key, value)


def _limits(path: str, table: object) -> Iterator[tuple[str, str]]:
    if not isinstance(table, dict):
        raise SettingError(f"{path}: limits is a table: [limits]")
    for name, value in table.items():
        yield "limit", f"{name}={_scalar(path, name, value)}"


def _scalar(path: str, key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SettingError(f"{path}: {key} takes a text or a whole number, not {value!r}")
    return str(value)


def _unknown(path: str, key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path}: there is no setting {key!r}{hint}"
