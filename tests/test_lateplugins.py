"""L{pop3svc.lateplugins}: a start imports what its options need, and not the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from twisted.cred.strcred import ICheckerFactory
from twisted.plugin import getPlugins
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

import pop3svc
from pop3svc.interfaces import IMaildropSourceFactory
from pop3svc.lateplugins import LateCheckerFactory, LateSourceFactory

_PROGRAM = """
import json, sys
from pop3svc.options import Options
from pop3svc.service import makeService
options = Options()
options.parseOptions(sys.argv[1:])
makeService(options)
print(json.dumps(sorted(sys.modules)))
"""
# What only some other checker, maildrop, option or command needs, and takes long to import.
_NEEDLESS = (
    *("ldap", "ldap3", "jwt", "pam", "sqlalchemy", "psycopg", "psycopg2", "sqlite3", "argon2"),
    *("twisted.enterprise.adbapi", "twisted.web.client", "prometheus_client", "xml.etree"),
    *("pop3svc.auth.ldap", "pop3svc.auth.oauth2", "pop3svc.auth.sql", "pop3svc.auth.pam"),
    *("pop3svc.auth.checkpassword", "pop3svc.maildrops.mbox", "pop3svc.maildrops.contract"),
    *("pop3svc.cli", "pop3svc.demo", "pop3svc.migration", "pop3svc.testing", "hypothesis"),
)


class StartTests(TestCase):
    def test_importsWhatItNeeds(self) -> None:
        root = Path(self.mktemp())
        root.mkdir()
        (root / "passwd").write_text("karl:{PLAIN}secret\n")
        (root / "passwd").chmod(0o600)
        words = [
            *("--pop3", "tcp:0:interface=127.0.0.1", "--auth", f"passwd:{root}/passwd"),
            *("--maildrop", f"maildir:{root}/{{user}}"),
        ]
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *words],
            capture_output=True,
            check=False,
            text=True,
            env={"PYTHONPATH": str(Path(pop3svc.__file__).parent.parent)},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        modules = json.loads(done.stdout.splitlines()[-1])
        self.assertIn("pop3svc.maildrops.maildir", modules)
        self.assertIn("pop3svc.auth.passwd", modules)
        self.assertEqual([each for each in _NEEDLESS if each in modules], [])


class LatePluginTests(TestCase):
    def test_asTheReal(self) -> None:
        """Each has the name by which it is found, and all that is asked of it then."""
        kinds = 0
        for plugin in getPlugins(ICheckerFactory):
            if isinstance(plugin, LateCheckerFactory):
                verifyObject(ICheckerFactory, plugin)
                self.assertEqual(plugin._plugin.authType, plugin.authType)
                kinds += 1
        for store in getPlugins(IMaildropSourceFactory):
            if isinstance(store, LateSourceFactory):
                verifyObject(IMaildropSourceFactory, store)
                self.assertEqual(store._plugin.kind, store.kind)
                kinds += 1
        self.assertEqual(kinds, 9)
