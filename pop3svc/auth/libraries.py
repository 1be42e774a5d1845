"""
Hashes that other libraries verify: libpass, and the C library's C{crypt}.
"""

from __future__ import annotations

import ctypes
import hmac
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import SettingError

Verify = Callable[[bytes], bool]

_YESCRYPT = re.compile(rb"\$g?y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}")
# How much memory libxcrypt wants to be lent, besides what it takes itself.
_CRYPT_DATA_OCTETS = 32768


def passlib(name: str, stored: bytes) -> Verify:
    """
    A hash that libpass knows.

    @param name: of its module there.
    @raise ValueError: the hash is damaged.
    @raise SettingError: the library is not installed.
    """
    handler, text = _handler(name), stored.decode("ascii")
    if handler.from_string(text).checksum is None:
        raise ValueError("salt without digest")

    def verifyByLibrary(password: bytes) -> bool:
        try:
            return handler.verify(password, text)
        except ValueError:
            # Not the hash, which was parsed: a password that the scheme cannot take.
            return False

    return verifyByLibrary


def yescrypt(stored: bytes) -> Verify:
    """
    What C{passwd} of Debian and others writes, which libpass does not know.

    @raise ValueError: the hash is damaged.
    @raise SettingError: the C library has no such function.
    """
    if not _YESCRYPT.fullmatch(stored):
        raise ValueError("not a yescrypt hash")
    crypt = _crypt()

    def verifyYescrypt(password: bytes) -> bool:
        if b"\0" in password:
            return False  # C would take the part before it for the whole
        data = ctypes.create_string_buffer(_CRYPT_DATA_OCTETS)
        # None for a password that it cannot take.
        made: bytes | None = crypt(password, stored, data, _CRYPT_DATA_OCTETS)
        return made is not None and hmac.compare_digest(made, stored)

    return verifyYescrypt


@cache
def _handler(name: str) -> Any:
    advice = "are verified by another library; run: pip install 'pop3svc[passwd]'"
    try:
        import passlib.exc
        import passlib.hash
    except ImportError as error:
        raise SettingError(f"hashes with {name} {advice}") from error
    handler = getattr(passlib.hash, name)
    if hasattr(handler, "get_backend"):
        try:
            handler.get_backend()
        except passlib.exc.MissingBackendError as error:
            raise SettingError(f"hashes with {name} {advice}") from error
    return handler


@cache
def _crypt() -> Any:
    """C{crypt_rn} of libxcrypt, which any number of threads may call."""
    try:
        function = ctypes.CDLL("libcrypt.so.1").crypt_rn
    except (OSError, AttributeError) as error:
        raise SettingError(
            "hashes with yescrypt are verified by libcrypt.so.1 of libxcrypt, which is not"
            " here; install it (libcrypt1 on Debian), or set the passwords anew with `pop3svc"
            " passwd set`"
        ) from error
    function.restype = ctypes.c_char_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    return function
