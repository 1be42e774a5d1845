"""
GNU SASL, the library inside mpop and others.
"""

from __future__ import annotations

import ctypes
from base64 import b64decode, b64encode

from .programs import unavailable

_LIBRARY = "libgsasl.so.18"
_OK, _NEEDS_MORE = 0, 1
# Of enum Gsasl_property.
_AUTHID, _PASSWORD, _CB_TLS_EXPORTER = 1, 3, 25


def _library() -> ctypes.CDLL:
    """@raise SkipTest: it is not installed; see L{programs.findProgram}."""
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        unavailable(f"{_LIBRARY} is not installed")


class GNUSession:
    """The client's side of one exchange."""

    def __init__(self, mechanism: str, user: str, password: str, exported: bytes) -> None:
        """@param exported: what SCRAM binds to, of kind C{tls-exporter}."""
        self._library = _library()
        context, self._session = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._library.gsasl_init(ctypes.byref(context)), _OK)
        start = self._library.gsasl_client_start
        self._check(start(context, mechanism.encode(), ctypes.byref(self._session)), _OK)
        properties = {
            _AUTHID: user.encode(),
            _PASSWORD: password.encode(),
            _CB_TLS_EXPORTER: b64encode(exported),
        }
        for number, value in properties.items():
            self._check(self._library.gsasl_property_set(self._session, number, value), _OK)

    def step(self, challenge: bytes) -> bytes:
        """
        @return: the answer.
        @raise AssertionError: the challenge is wrong, such as the signature in it.
        """
        answer = ctypes.c_char_p()
        step = self._library.gsasl_step64
        done = step(self._session, b64encode(challenge), ctypes.byref(answer))
        self._check(done, _OK, _NEEDS_MORE)
        return b64decode(answer.value or b"")

    def _check(self, code: int, *good: int) -> None:
        if code not in good:
            raise AssertionError(f"GNU SASL says {code}")
