"""
SASL EXTERNAL: who has a client certificate of the right authority.

C{--client-ca} puts this checker into the chain. The certificate alone says who
somebody is: a name that it does not hold is refused, and there is no other way
in behind it.
"""

from __future__ import annotations

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from ..errors import LoginRefused
from .credentials import ICertificateName


@implementer(ICredentialsChecker)
class CertificateChecker:
    """Takes the names that TLS has verified (RFC 4422 appendix A)."""

    credentialInterfaces = (ICertificateName,)

    def requestAvatarId(self, credentials: ICertificateName) -> Deferred[bytes | tuple[()]]:
        """
        @return: the name asked for, if the certificate holds it; when none is
            asked for, the certificate's first, which is a mail address if it
            has one. Fails with L{LoginRefused} for any other.
        """
        names = credentials.names
        wanted = credentials.username or (names[0] if names else b"")
        if wanted and wanted in names:
            return succeed(wanted)
        return fail(LoginRefused("the certificate does not hold this name"))
