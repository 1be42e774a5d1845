"""
How a record becomes a line: C{text} is C{key=value}, C{json} has the same keys.

Either way it is printable ASCII, so that no record is ever two lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from .schema import Value

Format = Literal["text", "json"]

_PLAIN = re.compile(r"[!#-<>-\[\]-~]+\Z")
_REMEMBERED = 256


def asText(record: dict[str, Value]) -> str:
    """A value is quoted as JSON does, if it is more than a word."""
    return " ".join(
        [
            f"{key}={_word(value) if isinstance(value, str) else value}"
            for key, value in record.items()
        ]
    )


# Most words come again and again.
@lru_cache(_REMEMBERED)
def _word(word: str) -> str:
    return word if _PLAIN.match(word) else asJSON(word)


def asJSON(value: Value | dict[str, Value]) -> str:
    """DEL is the one control character that the library lets through."""
    return json.dumps(value).replace("\x7f", "\\u007f")


FORMATS: dict[Format, Callable[[dict[str, Value]], str]] = {"text": asText, "json": asJSON}


def asLine(
    logFormat: Format, event: str, record: dict[str, Value], stamp: dict[str, Value] | None = None
) -> str:
    """
    @param stamp: C{time} and C{level}, where the lines go to a file of their own.
    """
    if stamp is None:
        return FORMATS[logFormat]({"event": event, **record})
    if logFormat == "json":
        return asJSON({**stamp, "event": event, **record})
    return f"{stamp['time']} level={stamp['level']} {asText({'event': event, **record})}"
