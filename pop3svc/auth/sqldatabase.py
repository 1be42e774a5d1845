"""
A database and the one question that it is asked, through SQLAlchemy. Blocks:
call it from a L{pop3svc.pools.Pool}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, SQLAlchemyError
from twisted.logger import Logger

from ..errors import CheckerUnavailable, SettingError

# What a query may take of the name that was typed.
PARAMETERS = ("user", "local", "domain")


class Database:
    """
    Answers the rows of a user.

    @ivar seconds: how long a connection or a statement may take, as far as the
        driver can be told; for connections made from now on.
    @ivar hasPassword: whether the URL has one in it.
    """

    seconds = 0
    _log = Logger()

    def __init__(self, url: str, query: str) -> None:
        """
        Connects to nothing yet.

        @param url: as SQLAlchemy has it: C{postgresql+psycopg://USER@HOST/NAME}.
        @param query: a SELECT that takes at least one of L{PARAMETERS}, with a
            colon before it.
        @raise SettingError: either is wrong, or the driver is not installed.
        """
        self._query = text(query)
        taken = self._query.compile().params
        unknown = [each for each in taken if each not in PARAMETERS]
        if unknown or not taken:
            raise SettingError(
                f"the query takes {':' + unknown[0] if unknown else 'nothing of the user'};"
                " write :user, or :local and :domain, where the name belongs"
            )
        self._engine = _makeEngine(url)
        found = self._engine.url
        self.hasPassword = found.password is not None or "password" in found.query
        event.listen(self._engine, "do_connect", self._limit)

    def rowsOf(self, name: str) -> list[dict[str, Any]]:
        """
        @param name: goes to the database as a parameter, never as a part of the
            statement.
        @return: two rows at the most, by the names of their columns; none for a
            name that the database cannot hold.
        @raise CheckerUnavailable: it does not answer, or says that the query is
            wrong.
        """
        local, _, domain = name.rpartition("@") if "@" in name else (name, "", "")
        known = {"user": name, "local": local, "domain": domain}
        parameters = {each: known[each] for each in self._query.compile().params}
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(self._query, parameters).mappings().fetchmany(2)
                return [{str(key): value for key, value in row.items()} for row in rows]
        except (DataError, UnicodeError) as error:
            self._log.warn("a name is none for the database: {why}", why=_sentence(error))
            return []
        except SQLAlchemyError as error:
            raise CheckerUnavailable(f"the database fails: {_sentence(error)}") from error

    def _limit(self, dialect: Any, record: Any, arguments: Any, named: dict[str, Any]) -> None:
        """What the URL says already counts."""
        for key, value in _TIMEOUTS.get(dialect.driver, _noTimeouts)(self.seconds).items():
            named.setdefault(key, value)


def _postgres(seconds: int) -> dict[str, Any]:
    return {"connect_timeout": seconds, "options": f"-c statement_timeout={seconds * 1000}"}


def _mysql(seconds: int) -> dict[str, Any]:
    return dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), seconds)


def _plain(seconds: int) -> dict[str, Any]:
    return {"timeout": seconds}


def _noTimeouts(seconds: int) -> dict[str, Any]:
    return {}


# How each driver is told to give up, so that its thread comes back. Whoever logs
# in is not kept waiting longer in any case.
_TIMEOUTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "psycopg": _postgres,
    "psycopg2": _postgres,
    "pg8000": _plain,
    "pymysql": _mysql,
    "mysqldb": _mysql,
    "pysqlite": _plain,
}


def _makeEngine(text: str) -> Engine:
    # Without SQLAlchemy's own sentences, which may quote the password.
    wrong = SettingError(
        "the URL of the database is wrong; write it as in"
        " postgresql+psycopg://USER:PASSWORD@HOST/NAME or sqlite:////PATH"
    )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong from None
    name = url.drivername
    if url.get_backend_name() == "sqlite":
        url = _sqlite(url)
    try:
        # As many connections as there are threads; each is tried before it is
        # used, because the database may have been started anew.
        engine = create_engine(url, pool_size=0, pool_pre_ping=True)
    except ImportError as error:
        raise SettingError(
            f"the driver for {name}:// is not installed ({error.name or error}); install it with"
            " pip, or name one that is, as in postgresql+psycopg://"
        ) from error
    except ArgumentError:
        raise wrong from None
    if engine.dialect.is_async:
        raise SettingError(f"{name}:// is an asynchronous driver; name another one")
    return engine


def _sqlite(url: URL) -> URL:
    """Read only, because SQLite makes an empty database where it finds none."""
    path = os.path.abspath(url.database or "")
    if not os.path.isfile(path):
        raise SettingError(f"there is no database in {path}; write sqlite:////PATH")
    return url.set(database="file:" + quote(path)).update_query_dict({"mode": "ro", "uri": "true"})


def _sentence(error: BaseException) -> str:
    """Without the statement and its parameters, on one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return " ".join(f"{type(cause).__name__}: {cause}".split())
