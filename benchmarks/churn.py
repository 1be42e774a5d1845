"""
What the service keeps of connections that are over: nothing, or it is a leak.

    .venv/bin/python benchmarks/churn.py [CONNECTIONS]

good sessions, resets at each stage, aborted TLS and SASL, other protocols, silence, and
more than the limits allow, 20,000 by default, after 2,000 to warm up; then descriptors
and resident memory are compared with those before.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pop3svc.demo import makeCertificate
from tests.live.churning import PASSWORD, USERS, churn, holdings
from tests.process import Process
from tests.running import RunningService, freePort

WARM_UP = 2_000
LEAK_KIB = 2048


def makeMaildirs(directory: str) -> None:
    for user in USERS:
        for folder in ("tmp", "cur", "new"):
            os.makedirs(f"{directory}/{user}/{folder}")
        Path(directory, user, "new", "1700000000.M1P1.host").write_bytes(b"Subject: x\n\nHello.\n")


def main(connections: int) -> int:
    """@return: the exit status: 0 without a leak."""
    with tempfile.TemporaryDirectory() as directory:
        makeMaildirs(directory)
        certificate = Path(directory, "certificate.pem")
        certificate.write_bytes(makeCertificate("localhost"))
        clear, implicit = freePort(), freePort()
        service = RunningService(
            Path(directory, "log"),
            *("--pop3", f"tcp:{clear}:interface=127.0.0.1"),
            *("--pop3s", f"tcp:{implicit}:interface=127.0.0.1"),
            *("--certificate", str(certificate), "--maildrop", f"maildir:{directory}/{{user}}"),
            *("--auth", "memory:" + ":".join(f"{user}:{PASSWORD}" for user in USERS)),
        )
        try:
            service.waitFor(f"tcp:{implicit}:")
            process = Process(service.process.pid)
            churn(clear, implicit, WARM_UP)
            before, cpu, began = holdings(process), process.cpuSeconds(), time.monotonic()
            done = churn(clear, implicit, connections, seed=2)
            after, cpu = holdings(process), process.cpuSeconds() - cpu
            seconds = time.monotonic() - began
        finally:
            service.stop(60)
        log = service.output()
    for kind, count in sorted(done.items()):
        print(f"{count:8,} {kind}")
    print(f"{done.total():8,} in {seconds:.0f} s, {cpu / done.total() * 1e6:.0f} us of CPU each")
    print(f"descriptors {before[0]} -> {after[0]}, memory {before[1]:,} -> {after[1]:,} KiB")
    print(f"log: {log.count(chr(10)):,} lines, {log.count('Traceback')} tracebacks")
    leak = after[0] > before[0] or after[1] - before[1] > LEAK_KIB or "Traceback" in log
    return 1 if leak else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
