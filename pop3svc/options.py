"""
The command line of C{twistd pop3svc}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.strcred import AuthOptionMixin
from twisted.python import usage

from .auth.credentials import IBearerToken
from .config import listenersOf, readFile, settingsOf
from .core.mechanisms import MECHANISMS
from .errors import SettingError
from .limits import Limits
from .listeners import ListenerSettings

_CHOICES = {
    "clear-text-logins": ("loopback", "never", "always"),
    "log-format": ("text", "json"),
}
_DEFAULTS = {"demo-directory": "pop3svc-demo"} | {
    name: choices[0] for name, choices in _CHOICES.items()
}
WAYS_TO_LOG_IN = (b"USER", *MECHANISMS)
_FLAGS = ("demo", "apop", "allow-root")
_LISTS = ("pop3", "pop3s", "certificate", "private-key", "auth", "mechanism", "maildrop", "limit")
# What is read again on a reload, when twistd has gone to its --rundir.
_FILES = ("config", "client-ca", "secret", "throttle-state")
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
        ["log-format", None, None, "How audit lines look: text or json. [default: text]"],
        [
            "audit-log",
            None,
            None,
            "A file for audit lines alone, or - for standard output; else they stand in"
            " twistd's log.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self._directory = os.getcwd()
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

    @property
    def demoAlone(self) -> bool:
        """--demo and nothing else: on loopback, and no maildrops but its own."""
        given = self.given
        others = (given["pop3"], given["pop3s"], self.listeners, given["auth"], given["maildrop"])
        return bool(self["demo"]) and not any(others)

    def _parse(self) -> None:
        try:
            super().parseOptions(self._words)
            self._useConfig()
            self._checkChoices()
            self._makeAbsolute()
            self.limits = Limits.parse(self.given["limit"])
        except (usage.UsageError, ValueError) as error:
            raise SettingError(str(error)) from error

    def _useConfig(self) -> None:
        """What the file says and the command line does not."""
        if self["config"] is None:
            return
        path = self._absolute(self["config"])
        file = readFile(path)
        self.listeners = listenersOf(path, file)
        onCommandLine = {name for name, values in self.given.items() if values}
        limits, self.given["limit"] = self.given["limit"], []
        parameters = dict.fromkeys(_LISTS, True) | dict.fromkeys(
            [*_DEFAULTS, "client-ca", "secret", "throttle-state", "audit-log", "maildrop"], False
        )
        for name, value in settingsOf(path, file, parameters, _FLAGS):
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
        self.given["mechanism"] = [each.upper() for each in self.given["mechanism"]]
        for name in self.given["mechanism"]:
            if name.encode() not in WAYS_TO_LOG_IN:
                known = ", ".join(each.decode() for each in WAYS_TO_LOG_IN)
                raise usage.UsageError(f"--mechanism is one of {known}, not {name!r}")
        for name, choices in _CHOICES.items():
            if self[name] not in choices:
                raise usage.UsageError(
                    f"--{name} is one of {', '.join(sorted(choices))}, not {self[name]!r}"
                )

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
