"""
The command line of C{twistd pop3svc}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cached_property

from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.strcred import AuthOptionMixin
from twisted.python import usage

from .auth.credentials import IBearerToken
from .config import ConfigFile
from .core.mechanisms import MECHANISMS
from .errors import SettingError
from .limits import Limits
from .listeners import ListenerSettings

_CHOICES = {
    "clear-text-logins": ("loopback", "never", "always"),
    "log-format": ("text", "json"),
}
_DEFAULTS = {"demo-directory": "pop3svc-demo", "workers": "1"} | {
    name: choices[0] for name, choices in _CHOICES.items()
}
WAYS_TO_LOG_IN = (b"USER", *MECHANISMS)
_EACH_CORE = "auto"
# Each has some ten descriptors of the parent's, and tens of MiB of memory.
_MOST_WORKERS = 256
_FLAGS = ("demo", "apop", "allow-root")
_LISTS = ("pop3", "pop3s", "certificate", "private-key", "auth", "mechanism", "maildrop", "limit")
# What is read again on a reload, when twistd has gone to its --rundir.
_FILES = ("config", "client-ca", "secret", "throttle-state", "http-token", "control")
_FILE_LISTS = ("certificate", "private-key")


class Options(usage.Options, AuthOptionMixin):
    """
    What the command line and the configuration file say, checked for syntax
    alone; L{pop3svc.service} makes things of it.
    """

    synopsis = "[options]"
    longdesc = "A POP3 service: see the README for a production example, --demo to try it."

    supportedInterfaces = (IUsernamePassword, IUsernameHashedPassword, IBearerToken)

    optFlags = [
        ["demo", None, "Serve two classroom maildrops on loopback, ports 1100 and 1995."],
        [
            "apop",
            None,
            "Offer APOP where a checker holds clear-text secrets. MD5 is weak: see the"
            " documents before you do.",
        ],
        ["allow-root", None, "Serve as root, which nothing but foreign maildrops needs."],
    ]
    optParameters = [
        ["config", "c", None, "A TOML file of these options; the command line wins."],
        [
            "demo-directory",
            None,
            None,
            "Where --demo keeps its maildrops. [default: ./pop3svc-demo]",
        ],
        [
            "clear-text-logins",
            None,
            None,
            "From where passwords are taken outside TLS: never, loopback or always."
            " [default: loopback]",
        ],
        [
            "client-ca",
            None,
            None,
            "A PEM file of authorities: ask for client certificates, and offer SASL EXTERNAL.",
        ],
        [
            "secret",
            None,
            None,
            "A file of random octets, made if it is missing, that keeps what SCRAM shows of"
            " unknown users the same after a restart.",
        ],
        [
            "throttle-state",
            None,
            None,
            "A file, made if it is missing, that keeps what is known about password guessers"
            " over a restart.",
        ],
        [
            "workers",
            None,
            None,
            "How many processes share the work: a number, or auto for one a core. [default: 1]",
        ],
        ["log-format", None, None, "How audit lines look: text or json. [default: text]"],
        [
            "http",
            None,
            None,
            "Metrics, health and a status page: a Twisted server endpoint such as tcp:8110, on"
            " loopback if it names no interface.",
        ],
        [
            "http-token",
            None,
            None,
            "A file with a token that whoever sees those pages must give.",
        ],
        [
            "audit-log",
            None,
            None,
            "A file for audit lines alone, or - for standard output; else they stand in"
            " twistd's log.",
        ],
        [
            "control",
            None,
            None,
            "A UNIX socket, made at the start, through which pop3svc trace speaks to the service.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        # --demo and nothing else: on loopback, and no maildrops but its own. As it was
        # given: the demo itself fills in what was not.
        self.demoAlone = False
        self.listeners: list[ListenerSettings] = []
        self.given: dict[str, list[str]] = {name: [] for name in _LISTS}

    def opt_pop3(self, endpoint: str) -> None:
        """
        A POP3 listener, with STLS when there is a certificate: a Twisted server
        endpoint such as tcp:110. Repeatable.
        """
        self.given["pop3"].append(endpoint)

    def opt_pop3s(self, endpoint: str) -> None:
        """
        A POP3 listener inside TLS from the first octet (RFC 8314), such as
        tcp:995. Repeatable.
        """
        self.given["pop3s"].append(endpoint)

    def opt_certificate(self, path: str) -> None:
        """
        A PEM certificate chain. Repeatable, each with its --private-key: chosen
        by the name that a client asks for.
        """
        self.given["certificate"].append(path)

    def opt_private_key(self, path: str) -> None:
        """
        The PEM key of a certificate; may be left out if the certificate's file
        holds it too. Repeatable.
        """
        self.given["private-key"].append(path)

    def opt_auth(self, description: str) -> None:
        """
        A credential checker, KIND:ARGUMENTS. Repeatable: the first that knows a
        user decides.
        """
        self.given["auth"].append(description)

    def opt_mechanism(self, name: str) -> None:
        """
        A way to log in that is wanted: USER, or a SASL mechanism such as PLAIN.
        Repeatable; all that are possible, if none is named.
        """
        self.given["mechanism"].append(name)

    def opt_maildrop(self, description: str) -> None:
        """
        Where maildrops lie, KIND:ARGUMENTS.
        """
        self.given["maildrop"] = [description]

    def opt_limit(self, setting: str) -> None:
        """
        A limit, NAME=NUMBER, such as idle-seconds=900. Repeatable.
        """
        self.given["limit"].append(setting)

    def opt_help_maildrop(self) -> None:
        """
        Show the kinds of maildrop.
        """
        from .maildrops.registry import helpText

        print(helpText())
        raise SystemExit(0)

    def opt_help_limits(self) -> None:
        """
        Show all limits, their defaults and their reasons.
        """
        print(Limits.describe())
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        @raise SystemExit: with one sentence, for whatever is wrong.
        """
        self._words = tuple(sys.argv[1:] if options is None else options)
        self._directory = os.getcwd()
        try:
            self._parse()
        except SettingError as error:
            raise SystemExit(f"twistd pop3svc: {error}") from error

    def again(self) -> Options:
        """
        The same command line, with what the configuration file says now.

        @raise SettingError: it says something wrong now.
        """
        options = Options()
        options._words, options._directory = self._words, self._directory
        options._parse()
        return options

    @property
    def daemon(self) -> bool:
        """twistd is to leave the terminal."""
        return self.parent is not None and not self.parent["nodaemon"]

    @cached_property
    def workers(self) -> int:
        """
        How many processes serve; one is this process itself. Counted once: they share
        memory of that size, also when there are more cores later, or less.
        """
        if self["workers"] == _EACH_CORE:
            return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
        return int(self["workers"])

    def _parse(self) -> None:
        try:
            super().parseOptions(self._words)
            self._useConfig()
            self._checkChoices()
            self._makeAbsolute()
            self.limits = Limits.parse(self.given["limit"])
            others = ("pop3", "pop3s", "auth", "maildrop")
            isAlone = not (self.listeners or any(self.given[each] for each in others))
            self.demoAlone = bool(self["demo"]) and isAlone
        except (usage.UsageError, ValueError) as error:
            raise SettingError(str(error)) from error

    def _useConfig(self) -> None:
        """What the file says and the command line does not."""
        if self["config"] is None:
            return
        path = self._absolute(self["config"])
        file = ConfigFile.read(path)
        self.listeners = file.listeners()
        onCommandLine = {name for name, values in self.given.items() if values}
        limits, self.given["limit"] = self.given["limit"], []
        single = [str(each[0]) for each in self.optParameters if each[0] != "config"]
        parameters = dict.fromkeys(_LISTS, True) | dict.fromkeys([*single, "maildrop"], False)
        for name, value, where in file.settings(parameters, _FLAGS):
            _checkChoice(name, value, f"{where}: {name}")
            if name in _FLAGS:
                self[name] = 1
            elif name == "limit":
                self.given["limit"].append(value)
            elif name not in self.given:
                if self[name] is None:
                    self[name] = value
            elif name not in onCommandLine:
                self.given[name].append(value)
        # Limits are merged one by one: the later setting of a name wins.
        self.given["limit"] += limits

    def _checkChoices(self) -> None:
        for name, default in _DEFAULTS.items():
            if self[name] is None:
                self[name] = default
        for name in (*_CHOICES, "workers"):
            _checkChoice(name, self[name], f"--{name}")
        for each in self.given["mechanism"]:
            _checkChoice("mechanism", each, "--mechanism")
        self.given["mechanism"] = [each.upper() for each in self.given["mechanism"]]

    def _makeAbsolute(self) -> None:
        for name in _FILES:
            if self[name] is not None:
                self[name] = self._absolute(self[name])
        for name in _FILE_LISTS:
            self.given[name] = [self._absolute(each) for each in self.given[name]]
        if self["audit-log"] not in (None, "-"):
            self["audit-log"] = self._absolute(self["audit-log"])

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._directory, path))


def _isCount(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_WORKERS


def _checkChoice(name: str, value: str, what: str) -> None:
    """
    @param name: of any option; many take whatever is said.
    @param what: the option as the sentence names it, perhaps with its place.
    @raise SettingError: the value is none of those that this option takes.
    """
    if name == "workers" and value != _EACH_CORE and not _isCount(value):
        raise SettingError(
            f"{what} is a number from 1 to {_MOST_WORKERS}, or {_EACH_CORE}, not {value!r}"
        )
    if name == "mechanism":
        known = [each.decode() for each in WAYS_TO_LOG_IN]
        fits = value.upper() in known
    else:
        known = sorted(_CHOICES.get(name, ()))
        fits = not known or value in known
    if not fits:
        raise SettingError(f"{what} is one of {', '.join(known)}, not {value!r}")
