"""
Asking a directory who somebody is. Everything here blocks, and is called from
threads. It is the only module that needs python-ldap.
"""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ldap
from ldap.dn import escape_dn_chars, str2dn
from ldap.filter import escape_filter_chars
from twisted.cred.error import UnauthorizedLogin

from ..errors import CheckerUnavailable, LoginRefused, SettingError
from .ldapsettings import USER, LdapSettings, Misleading
from .ldaptls import connect, makeContext

# A server that is up says that this user does not get in with this password. The
# last four are how servers say that an account is locked, or has no password.
_REFUSALS = (
    ldap.INVALID_CREDENTIALS,
    ldap.NO_SUCH_OBJECT,
    ldap.INVALID_DN_SYNTAX,
    ldap.INAPPROPRIATE_AUTH,
    ldap.CONSTRAINT_VIOLATION,
    ldap.INSUFFICIENT_ACCESS,
    ldap.UNWILLING_TO_PERFORM,
)


class Directory:
    """
    Connections to one directory: as many as are in use at the same time.
    """

    def __init__(self, settings: LdapSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """
        @param clock: seconds of a monotonic clock.
        @raise SettingError: a DN or the filter is none, or there are no authorities.
        """
        self._settings = settings
        self._clock = clock
        self._idle: list[Any] = []
        self._context = None if settings.tls == "none" else makeContext(settings)
        for dn in (settings.base.replace(USER, "x"), settings.bindDN):
            try:
                str2dn(dn)
            except ldap.DECODING_ERROR as error:
                raise SettingError(
                    f"{dn!r} is no distinguished name; write for example"
                    " ou=people,dc=example,dc=org"
                ) from error
        if settings.filter is not None:
            _verifyFilter(settings.filter.replace(USER, "x"))

    def login(self, name: bytes, password: bytes, end: float) -> bytes:
        """
        @param end: when nobody waits any more, in seconds of the clock.
        @return: the avatar id.
        @raise UnauthorizedLogin: unknown; or not to be told from a wrong password.
        @raise LoginRefused: a wrong password.
        @raise Misleading: see there.
        @raise CheckerUnavailable: the directory cannot say.
        """
        user = _text(name)
        try:
            return self._loginOnce(user, password, end) or name
        except (ldap.LDAPError, OSError) as error:
            raise CheckerUnavailable(
                f"the directory {self._settings.server} failed: {_said(error)}"
            ) from error

    def _loginOnce(self, user: str, password: bytes, end: float) -> bytes:
        """On a connection that is there, or a new one."""
        while True:
            try:
                # A list's own methods are safe between threads.
                connection, fresh = self._idle.pop(), False
            except IndexError:
                connection, fresh = self._connect(end), True
            try:
                avatarId = self._login(connection, user, password, end)
            except UnauthorizedLogin:
                self._idle.append(connection)
                raise
            except ldap.SERVER_DOWN:
                _close(connection)
                # The server, or something between, closes what was idle for long.
                if fresh:
                    raise
            except BaseException:
                _close(connection)
                raise
            else:
                self._idle.append(connection)
                return avatarId

    def _connect(self, end: float) -> Any:
        settings = self._settings
        if self._context is None:
            connection = ldap.initialize(settings.server)
        else:
            socket = connect(settings, self._context, lambda: self._left(end))
            # The descriptor is libldap's from here on, which closes it.
            connection = ldap.initialize("ldap://", fileno=socket.detach())
        connection.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)
        # Another server, named by this one, would get the password.
        connection.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
        return connection

    def _login(self, connection: Any, user: str, password: bytes, end: float) -> bytes:
        """@return: the avatar id; nothing if it is the name."""
        settings = self._settings
        if settings.filter is None:
            dn = settings.base.replace(USER, escape_dn_chars(user))
            if not self._bind(connection, dn, password, end):
                # RFC 4513 section 5.1.3 has one answer for both, and rightly.
                raise UnauthorizedLogin("unknown user or wrong password")
            if settings.avatar is None:
                return b""
            # As the user, who may read their own entry.
            everything = "(objectClass=*)"
            return self._avatarId(self._search(connection, dn, ldap.SCOPE_BASE, everything, end))
        self._bindToSearch(connection, end)
        scope = ldap.SCOPE_SUBTREE if settings.subtree else ldap.SCOPE_ONELEVEL
        filter = settings.filter.replace(USER, escape_filter_chars(user))
        entries = self._search(connection, settings.base, scope, filter, end)
        if not entries:
            # So that it takes as many questions as for a user who is there.
            self._bind(connection, f"cn={secrets.token_hex(16)},{settings.base}", password, end)
            raise UnauthorizedLogin("unknown user")
        if len(entries) > 1:
            raise Misleading(f"more than one entry of the directory fits {filter!r}")
        if not self._bind(connection, entries[0][0], password, end):
            raise LoginRefused("wrong password")
        return self._avatarId(entries)

    def _bindToSearch(self, connection: Any, end: float) -> None:
        """Each time: the last who logged in here is still who this connection is."""
        settings = self._settings
        if not self._bind(connection, settings.bindDN, settings.password, end):
            raise CheckerUnavailable(
                f"the directory {settings.server} refuses bind-dn {settings.bindDN!r} with what"
                " password-file holds"
            )

    def _bind(self, connection: Any, dn: str, password: bytes, end: float) -> bool:
        """@param dn: if it is empty the connection is nobody's, and so is the password."""
        try:
            self._within(connection, end).simple_bind_s(dn, password)
        except _REFUSALS:
            return False
        return True

    def _search(
        self, connection: Any, base: str, scope: int, filter: str, end: float
    ) -> list[tuple[str, dict[str, list[bytes]]]]:
        """@return: DN and attributes; two entries stand for any larger number."""
        # "1.1" is no attribute at all (RFC 4511 section 4.5.1.8).
        attributes = [self._settings.avatar or "1.1"]
        self._within(connection, end)
        try:
            found = connection.search_ext_s(
                base, scope, filter, attributes, timeout=connection.timeout, sizelimit=2
            )
        except ldap.SIZELIMIT_EXCEEDED:
            return [("", {})] * 2
        # Without a DN: a reference to another server. With an empty one: the
        # server itself, and to bind as nobody succeeds with any password.
        return [(dn, entry) for dn, entry in found if dn]

    def _avatarId(self, entries: list[tuple[str, dict[str, list[bytes]]]]) -> bytes:
        wanted = self._settings.avatar
        if wanted is None:
            return b""
        # Attributes are named without regard to case (RFC 4512 section 2.5).
        values = [
            value
            for _, entry in entries
            for attribute, each in entry.items()
            if attribute.lower() == wanted.lower()
            for value in each
        ]
        if len(values) != 1 or not values[0]:
            raise Misleading(f"the user's entry has {len(values)} values of {wanted}, not one")
        return values[0]

    def _within(self, connection: Any, end: float) -> Any:
        """The same connection, whose next question ends in time."""
        left = self._left(end)
        connection.timeout = left
        connection.set_option(ldap.OPT_TIMEOUT, left)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, left)
        return connection

    def _left(self, end: float) -> float:
        left = end - self._clock()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def _text(name: bytes) -> str:
    """
    The name, if it is the one way to write it. Directories compare names after
    preparing them (RFC 4518): blanks are squeezed, line ends are blanks, what is
    invisible is dropped. Each spelling would be a user of its own for us.
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise UnauthorizedLogin("a name that is not UTF-8") from None
    prepared = " ".join(unicodedata.normalize("NFKC", text).split())
    if prepared != text or not text.isprintable():
        raise UnauthorizedLogin("a name with blanks or characters that a directory ignores")
    return text


def _verifyFilter(filter: str) -> None:
    """@raise SettingError: as libldap reads it, it is none."""
    # A socket that cannot be there: the filter is encoded before that is seen.
    nowhere = ldap.initialize("ldapi://%2Fdev%2Fnull%2Fnowhere")
    try:
        with suppress(ldap.SERVER_DOWN):
            nowhere.search_ext("", ldap.SCOPE_BASE, filter)
    except ldap.FILTER_ERROR as error:
        raise SettingError(
            f"the filter {filter!r} is none; see where its parentheses close"
        ) from error
    finally:
        _close(nowhere)


def _close(connection: Any) -> None:
    with suppress(ldap.LDAPError):  # it may be closed already
        connection.unbind_s()


def _said(error: Exception) -> str:
    """What libldap, the server or the system says, in one line."""
    if isinstance(error, OSError):
        return repr(str(error))
    details: dict[str, object] = error.args[0] if error.args else {}
    words = [str(details[key]) for key in ("desc", "info") if details.get(key)]
    return repr(", ".join(words) or type(error).__name__)
