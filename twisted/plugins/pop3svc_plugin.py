"""C{twistd pop3svc}."""

from twisted.application.service import ServiceMaker

pop3svc = ServiceMaker(
    "pop3svc", "pop3svc.service", "Serve maildrops over POP3 (RFC 1939).", "pop3svc"
)
