"""
What etc/ has for other programs: Exim that delivers, and certbot that has renewed a
certificate. Postfix is in L{tests.live.live_production}.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess

from tests.pki import Authority
from tests.running import ROOT

from .exim import Exim
from .harness import IMPLICIT, LOOPBACK, LiveService, LiveTestCase
from .messages import Maildir
from .unprivileged import VMAIL, VMAIL_GROUP, give, needRoot, withUsers
from .wire import Wire

_HOOK = ROOT / "etc" / "letsencrypt" / "renewal-hooks" / "deploy" / "pop3svc"
_NAME = "mail.example.org"
_BODY = b"\n\nOne line.\n.\n"


class EximTests(LiveTestCase):
    def test_delivery(self) -> None:
        """What it delivers is served under the same address."""
        maildirs = self.directory / "mail"
        (maildirs / "example.org").mkdir(parents=True)
        give(maildirs / "example.org", VMAIL, VMAIL_GROUP)
        exim = Exim(self.directory, maildirs, "karl@example.org  example.org/karl/Maildir/\n")
        self.assertIn("Configuration file is /etc/exim4/exim4.conf", exim.version())
        for address in ("karl@example.org", "karl+lists@example.org"):
            self.assertIn("router = pop3svc, transport = pop3svc", exim.route(address))
        for address in ("nobody@example.org", "karl/../joe@example.org", "karl@example.net"):
            self.assertIn("is undeliverable", exim.route(address, 2))
        exim.deliver("karl@example.org", b"Subject: by Exim" + _BODY)
        path = maildirs / "example.org" / "karl" / "Maildir"
        self.assertIn("T=pop3svc", exim.log())
        [message] = Maildir(path).stored()
        self.assertTrue(message.endswith(_BODY), message)
        for each in (path.parent, path, *path.glob("new/*")):
            status = each.stat()
            self.assertEqual((status.st_uid, status.st_mode & 0o077), (VMAIL, 0), each)
        service = self.serve(
            *("--auth", "memory:karl@example.org:secret"),
            *("--maildrop", f"maildir:{maildirs}/{{domain}}/{{local}}/Maildir"),
        )
        wire = Wire(service, IMPLICIT)
        wire.login("karl@example.org")
        self.assertEqual(wire.retrieve(1), message.replace(b"\n", b"\r\n"))
        wire.quit()


class HookTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        needRoot()
        self.issuer = Authority()
        # In place of /etc/pop3svc and /etc/letsencrypt/live.
        self.settings, self.live = (self.directory / name for name in ("settings", "live"))
        self.settings.mkdir()
        text = _HOOK.read_text()
        self.assertIn("/etc/pop3svc/$(", text)
        self.hook = self.directory / "hook"
        self.hook.write_text(text.replace("/etc/pop3svc/$(", f"{self.settings}/$("))
        # What tells the service, which is one of its own here.
        programs = self.directory / "programs"
        programs.mkdir()
        self.told = self.directory / "told"
        for name in ("systemctl", "supervisorctl"):
            stand_in = programs / name
            stand_in.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.told}\n')
            stand_in.chmod(0o755)
        self.path = f"{programs}:{os.environ['PATH']}"

    def renew(self, name: str) -> None:
        """As certbot does, and its hook."""
        lineage = self.live / name
        lineage.mkdir(parents=True, exist_ok=True)
        both = self.directory / "both.pem"
        self.issuer.issue(str(both), _NAME)
        parts = both.read_text().split("-----BEGIN ")[1:]
        for file, isKey in (("privkey.pem", True), ("fullchain.pem", False)):
            chosen = [each for each in parts if ("KEY" in each.split("-----")[0]) == isKey]
            self.assertNotEqual(chosen, [])
            (lineage / file).write_text("".join(f"-----BEGIN {each}" for each in chosen))
        subprocess.run(
            [*withUsers(self.directory), "sh", str(self.hook)],
            env={"PATH": self.path, "RENEWED_LINEAGE": str(lineage)},
            check=True,
        )

    def test_others(self) -> None:
        """A certificate of another service is not copied, and nobody is told."""
        self.renew("www.example.org")
        self.assertEqual(list(self.settings.iterdir()), [])
        self.assertFalse(self.told.exists())

    def test_renewed(self) -> None:
        file = self.settings / f"{_NAME}.pem"
        file.touch()
        self.renew(_NAME)
        self.assertEqual(list(self.settings.iterdir()), [file])
        status = file.stat()
        self.assertEqual((status.st_uid, status.st_gid), (0, VMAIL_GROUP))
        self.assertEqual(status.st_mode & 0o777, 0o640)
        self.assertEqual(
            self.told.read_text().splitlines(),
            ["systemctl --quiet is-active pop3svc.service", "systemctl reload pop3svc.service"],
        )
        service = self.serve("--certificate", str(file), "--limit", "watch-seconds=1")
        first = self.served(service)
        self.assertIn(first, file.read_text())
        self.renew(_NAME)
        service.awaitEvents("reloaded", 1)
        self.assertNotEqual(self.served(service), first)
        self.assertIn(self.served(service), file.read_text())

    def served(self, service: LiveService) -> str:
        """The certificate that clients get to see."""
        trusted = self.directory / "authority.pem"
        self.issuer.save(str(trusted))
        context = ssl.create_default_context(cafile=str(trusted))
        address = (LOOPBACK, service.port(IMPLICIT))
        with (
            socket.create_connection(address, timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=_NAME) as inside,
        ):
            octets = inside.getpeercert(binary_form=True)
        assert octets is not None
        return ssl.DER_cert_to_PEM_cert(octets)
