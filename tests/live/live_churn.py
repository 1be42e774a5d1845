"""
Connections of all kinds leave nothing behind; C{benchmarks/churn.py} has more of them.
"""

from __future__ import annotations

from .churning import PASSWORD, USERS, churn, holdings
from .harness import IMPLICIT, PLAIN, USER, LiveTestCase
from .messages import Maildir
from .wire import Wire

_WARM_UP, _CONNECTIONS = 1_000, 1_500


class ChurnTests(LiveTestCase):
    def test_nothingIsLeft(self) -> None:
        passwd = self.directory / "passwd"
        passwd.write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in (USER, *USERS)))
        service = self.serve("--auth", f"passwd:{passwd}")
        for user in (USER, *USERS):
            Maildir(service.maildirs / user).deliver(b"Subject: x\n\nHello.\n")
        ports = (service.port(PLAIN), service.port(IMPLICIT))
        churn(*ports, _WARM_UP)
        before = holdings(service.process)
        done = churn(*ports, _CONNECTIONS, seed=2)
        after = holdings(service.process)
        self.assertEqual(len(done), 8, done)
        self.assertLessEqual(after[0], before[0])
        self.assertLess(after[1] - before[1], 2048)
        wire = Wire(service)
        wire.login()
        wire.quit()
