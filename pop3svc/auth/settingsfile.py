"""
The TOML file of one checker: for settings that are too many for a command line,
or that must not stand there, because everybody on the machine may read it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from ..errors import SettingError
from ..startfiles import readFile


class SettingsFile:
    """
    What stands in the file. Each fault is a sentence with the file and the key.

    @ivar path: absolute.
    """

    def __init__(self, path: str, known: Collection[str]) -> None:
        """
        @param known: the keys that there are.
        @raise SettingError: it cannot be read, is not TOML, or has another key.
        """
        self.path = os.path.abspath(path)
        try:
            self._values: dict[str, Any] = tomllib.loads(_read(self.path).decode("utf-8"))
        except ValueError as error:
            if isinstance(error, SettingError):
                raise
            raise SettingError(f"{self.path} is not TOML: {error}") from error
        except RecursionError as error:
            raise SettingError(
                f"{self.path} is nested too deeply; no setting needs that"
            ) from error
        for key in self._values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise self.wrong(key, f"is no setting; {hint}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def wrong(self, key: str, sentence: str) -> SettingError:
        """
        @param sentence: follows the key, and says what to write.
        @return: to be raised.
        """
        return SettingError(f"{self.path}: {key} {sentence}")

    def text(self, key: str, default: str = "") -> str:
        """
        @return: never empty.
        @raise SettingError: it is no text; or it is missing, and there is no default.
        """
        value = self._values.get(key, default)
        if key not in self._values and not default:
            raise self.wrong(key, "is missing; write it into the file")
        if not isinstance(value, str) or not value:
            raise self.wrong(key, f'takes a text: {key} = "..."')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """
        @return: one text or a list of them; none when the key is missing.
        @raise SettingError: it is something else.
        """
        value = self._values.get(key, [])
        found = value if isinstance(value, list) else [value]
        if (key in self and not found) or not all(isinstance(one, str) and one for one in found):
            raise self.wrong(key, f'takes a text or a list of texts: {key} = ["...", "..."]')
        return tuple(found)

    def location(self, key: str) -> str:
        """@return: a path; a relative one begins at the settings file."""
        return os.path.join(os.path.dirname(self.path), self.text(key))

    def octets(self, key: str) -> bytes:
        """
        @return: what stands in the file that the key names.
        @raise SettingError: it cannot be read.
        """
        return _read(self.location(key))

    def secret(self, key: str) -> bytes:
        """
        @return: what stands in the file that the key names, without the line end.
        @raise SettingError: it cannot be read, or is empty.
        """
        found = self.octets(key).rstrip(b"\r\n")
        if not found:
            raise self.wrong(key, "names an empty file; write the secret into it")
        return found


def _read(path: str) -> bytes:
    try:
        return readFile(path)
    except OSError as error:
        raise SettingError(
            f"cannot read {path}: {error.strerror}; make it readable for the user that starts"
            " the service"
        ) from error
    except ValueError as error:
        raise SettingError(f"cannot read {path!r}: a path holds no NUL; remove it") from error
