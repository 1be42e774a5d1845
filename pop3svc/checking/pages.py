"""
Where the status page and the metrics would be, and who may see them.
"""

from __future__ import annotations

from importlib import import_module

from ..listeners import ListenerSettings
from ..monitoring.access import Access, onLoopback
from .findings import Section
from .ports import Port, checkPort


def checkPages(
    section: Section, endpoint: str | None, tokenFile: str | None, ports: list[Port]
) -> None:
    """
    @param endpoint: that of C{--http}.
    @param tokenFile: that of C{--http-token}.
    @param ports: those of the listeners.
    """
    if endpoint is None:
        if tokenFile is not None:
            section.error("--http-token is for the pages of --http; add --http tcp:8110")
        return
    endpoint = onLoopback(endpoint)
    whom = "for whoever connects" if tokenFile is None else "for whoever has the token"
    section.tell(f"{endpoint}: metrics, health and a status page, {whom}")
    with section.trying(1):
        # It says so itself if its library is not installed.
        import_module("..monitoring.prometheus", __package__)
    with section.trying(1):
        Access(endpoint, tokenFile)
    with section.trying(1):
        checkPort(section, ListenerSettings(endpoint, "none"), ports)
