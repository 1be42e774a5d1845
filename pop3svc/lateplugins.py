"""
Plugins whose modules are imported when they are wanted.

Twisted loads each plugin of a sort to find the one that is asked for: a service that
reads passwords from a file would import what it takes to ask LDAP, SQL and OAuth 2.
The name is all that must be known before.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any

from twisted.cred.strcred import ICheckerFactory
from twisted.plugin import IPlugin
from zope.interface import implementer

from .interfaces import IMaildropSourceFactory


class _Late:
    """Has all that the plugin has, which comes with the first look at it."""

    def __init__(self, module: str, name: str) -> None:
        """
        @param module: where its class is.
        @param name: of the class.
        """
        self.__module__ = module
        self._name = name

    @cached_property
    def _plugin(self) -> Any:
        return getattr(import_module(self.__module__), self._name)()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugin, name)


@implementer(IPlugin, ICheckerFactory)
class LateCheckerFactory(_Late):
    """@ivar authType: the word before the colon."""

    def __init__(self, authType: str, module: str, name: str) -> None:
        super().__init__(module, name)
        self.authType = authType


@implementer(IPlugin, IMaildropSourceFactory)
class LateSourceFactory(_Late):
    """@ivar kind: the word before the colon."""

    def __init__(self, kind: str, module: str, name: str) -> None:
        super().__init__(module, name)
        self.kind = kind
