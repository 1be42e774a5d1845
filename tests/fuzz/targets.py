"""
All that is fuzzed inside of one process, and how much of it is enough.
"""

from __future__ import annotations

from .bodies import Bodies
from .campaign import Target
from .certificates import Certificates
from .exchanges import Exchanges
from .filenames import FileNames
from .passwords import Passwords
from .proxies import Proxies
from .settings import Configurations, LimitTexts, SettingsFiles
from .stream import Stream
from .tokens import KeySets, Tokens

# Each with its units in the long form, and in the tests of every day.
COUNTS: tuple[tuple[type[Target], int, int], ...] = (
    (Stream, 1_000_000, 3_000),
    (Exchanges, 200_000, 1_000),
    (Bodies, 100_000, 300),
    (Proxies, 30_000, 200),
    (Configurations, 20_000, 100),
    (LimitTexts, 20_000, 300),
    (SettingsFiles, 20_000, 100),
    (Passwords, 30_000, 300),
    (Certificates, 30_000, 150),
    (Tokens, 20_000, 150),
    (KeySets, 20_000, 300),
    (FileNames, 2_000, 10),
)


def named(name: str) -> Target:
    """@raise LookupError: there is none of that name."""
    for make, _, _ in COUNTS:
        if make.name == name:
            return make()
    raise LookupError(f"there is no target {name}; there are {', '.join(names())}")


def names() -> list[str]:
    return [make.name for make, _, _ in COUNTS]
