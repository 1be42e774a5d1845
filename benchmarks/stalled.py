"""
What a client that pipelines and never reads holds of the service's memory.

    .venv/bin/python benchmarks/stalled.py [READERS]

so many connections ask for a message of 64 MiB two thousand times, and for CAPA
as often, and read nothing; then the growth of the service's resident memory is
shared out. The message is all dots, which byte-stuffing doubles: nothing costs
more.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pop3svc.demo import makeCertificate
from tests.running import RunningService, freePort

MESSAGE = b"Subject: dots\n\n" + b".\n" * (32 << 20)


def makeMaildirs(directory: str, readers: int) -> None:
    """One big message in each; they are one file, to spare the disk."""
    Path(directory, "message").write_bytes(MESSAGE)
    for number in range(readers):
        for folder in ("tmp", "cur", "new"):
            os.makedirs(f"{directory}/u{number}/{folder}")
        os.link(f"{directory}/message", f"{directory}/u{number}/new/1700000000.M1P1.host")


def residentKiB(service: RunningService) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+([0-9]+)", status)
    assert found is not None
    return int(found.group(1))


def stall(service: RunningService, port: int, tls: bool, readers: int) -> None:
    connections = []
    for number in range(readers):
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(connection)
        lines = connection.makefile("rb")
        connection.sendall(b"USER u%d\r\nPASS x\r\n" % number)
        assert [lines.readline()[:3] for _ in range(3)] == [b"+OK"] * 3
        connections.append((connection, lines))
    before = residentKiB(service)
    for connection, _ in connections:
        connection.sendall(b"RETR 1\r\n" * 2000 + b"CAPA\r\n" * 2000)
    time.sleep(5)
    grown = residentKiB(service) - before
    print(f"{'TLS' if tls else 'clear'}: {grown / readers:.0f} KiB for each of {readers} readers")
    for connection, lines in connections:
        lines.close()
        connection.close()
    time.sleep(1)


def main(readers: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        makeMaildirs(directory, readers)
        certificate = Path(directory, "certificate.pem")
        certificate.write_bytes(makeCertificate("localhost"))
        port, tlsPort = freePort(), freePort()
        service = RunningService(
            Path(directory, "log"),
            *("--pop3", f"tcp:{port}:interface=127.0.0.1"),
            *("--pop3s", f"tcp:{tlsPort}:interface=127.0.0.1"),
            *("--certificate", str(certificate), "--maildrop", f"maildir:{directory}/{{user}}"),
            *("--auth", "memory:" + ":".join(f"u{number}:x" for number in range(readers))),
        )
        try:
            service.waitFor(f"tcp:{tlsPort}:")
            stall(service, port, False, readers)
            stall(service, tlsPort, True, readers)
        finally:
            service.stop(60)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
