"""
What the machine gives: descriptors, memory, libraries.
"""

from __future__ import annotations

import os
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

from ..limits import Limits, optionName
from ..operations.descriptors import fitted, possibleDescriptors
from .findings import Section, counted

# What argon2id with our parameters takes for one password.
_HASH_OCTETS = 64 << 20
# Of a process before anybody connects.
_OURS = 60 << 20
# By extra: what must be there to be imported.
_EXTRAS = {
    "passwd": ("passlib", "bcrypt"),
    "precis": ("precis_i18n",),
    "ldap": ("ldap",),
    "pam": ("pam",),
    "oauth2": ("jwt",),
    "sql": ("sqlalchemy",),
    "http": ("prometheus_client",),
}


def checkLimits(section: Section, limits: Limits, workers: int = 1) -> None:
    """
    What the service may use, compared with what there is.

    @param workers: how many processes share the connections.
    """
    cores = len(os.sched_getaffinity(0))
    if workers > 1:
        section.tell(f"{workers} processes share the work; there are {counted(cores, 'core')}")
    if workers > 2 * cores:
        section.warn(f"more processes than {2 * cores} only cost memory here; set workers lower")
    default = Limits()
    others = [
        f"{optionName(each.name)}={getattr(limits, each.name)}"
        for each in fields(Limits)
        if getattr(limits, each.name) != getattr(default, each.name)
    ]
    section.tell(f"limits other than the default: {', '.join(others) or 'none'}")
    descriptors = possibleDescriptors()
    _, sentence = fitted(limits, descriptors)
    if sentence:
        section.warn(sentence)
    else:
        section.tell(
            f"{descriptors:,} file descriptors, which is enough for"
            f" {counted(limits.connections, 'connection')}"
        )
    _checkMemory(section, limits, workers)


def _checkMemory(section: Section, limits: Limits, workers: int) -> None:
    peers = limits.connections * limits.bufferedOctets
    # Workers share these out among themselves.
    hashing, listings = limits.hashThreads * _HASH_OCTETS, limits.rememberedOctets
    processes = (workers + 1 if workers > 1 else 1) * _OURS
    most = peers + hashing + listings + processes
    section.tell(
        f"at the very most {_mib(most)} of memory: {_mib(peers)} if all of"
        f" {limits.connections:,} peers misbehave at once, {_mib(hashing)} for passwords being"
        f" checked, {_mib(listings)} for listings, and {_mib(processes)} besides;"
        " ordinary peers take a tenth of theirs"
    )
    there = _memory()
    if most > there:
        section.warn(
            f"there are {_mib(there)} of memory; have more, or set the limit connections lower"
        )


def _memory() -> int:
    """What this machine has, or this container may use."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        bound = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
    except OSError:
        return most
    return min(most, int(bound)) if bound.isdigit() else most


def _mib(octets: int) -> str:
    return f"{octets >> 20:,} MiB"


def checkLibraries(section: Section) -> None:
    """Which extras are installed."""
    there = {
        name: all(find_spec(each) is not None for each in modules)
        for name, modules in _EXTRAS.items()
    }
    installed = [name for name, isThere in there.items() if isThere]
    others = [name for name, isThere in there.items() if not isThere]
    section.tell(f"installed: {', '.join(installed) or 'none'}")
    if others:
        section.tell(f"not installed: {', '.join(others)} (pip install 'pop3svc[NAME]')")
