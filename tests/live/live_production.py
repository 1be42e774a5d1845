"""
docs/production.rst, followed word for word: the shell of a bare machine gets what stands on
the page, and in the end a mail has been delivered by Postfix and fetched over TLS.

What the page takes from the world stands ready: Debian's packages are installed here,
Python's were fetched before, and a certificate comes from an authority of the test.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.pki import Authority
from tests.running import ROOT

from .machine import Machine
from .programs import findProgram, unavailable

_PAGE = ROOT / "docs" / "production.rst"
_HOST = "mail.example.org"
_PASSWORD = "correct horse"
_TRUSTED = "etc/ssl/certs/ca-certificates.crt"
_NOT_SOURCES = (
    *(".git", ".venv", ".*_cache", ".hypothesis", "_trial_temp*", "_build"),
    *("build", "tests", "__pycache__", "dist"),
)

# Whatever is to be installed is here already; of Postfix the configuration is missing that
# its installation makes.
_APT_GET = """\
#!/bin/sh
set -e
test "$1" = install || exit 0
shift 2
for each; do
    test "$each" = certbot || dpkg-query --show "$each"
done
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
newaliases
"""
# Whoever was added at the end of the page has mail, too.
_JOE = f"""
printf 'Subject: hello\\n\\nTo joe.\\n' | sendmail joe@example.org
until ls /var/mail/example.org/joe/Maildir/new/*; do sleep 1; done
mpop --host={_HOST} --port=995 --tls=on --tls-starttls=off \\
    --user=joe@example.org --keep=off --delivery=mbox,/root/joe
grep 'To joe' /root/joe
"""
_ROTATED = """
sleep 1
logrotate --force /etc/logrotate.d/pop3svc
sleep 1
set +x
for each in audit.log.1 audit.log; do echo "--"; cat "/var/log/pop3svc/$each"; done
"""
# What a client sees; and after certbot has renewed it.
_SERVED = f"""
openssl s_client -connect {_HOST}:995 < /dev/null 2> /dev/null | openssl x509 -noout -serial
"""
_RENEWED = (
    f"""
cp /root/renewed/* /etc/letsencrypt/live/{_HOST}
RENEWED_LINEAGE=/etc/letsencrypt/live/{_HOST} /etc/letsencrypt/renewal-hooks/deploy/pop3svc
sleep 1
"""
    + _SERVED
)
_CERTBOT = """\
#!/bin/sh
set -e
mkdir -p /etc/letsencrypt/live
cp -r "/root/issued" "/etc/letsencrypt/live/$(printf '%s' "$*" | sed 's/.*--domain //')"
"""


class ProductionTests(SynchronousTestCase):
    def setUp(self) -> None:
        for each in ("mpop", "postfix"):
            findProgram(each)
        self.directory = Path(self.mktemp()).absolute()
        self.brought = self.directory / "brought"
        self.bringSources()
        self.bringPackages()
        self.bringAuthority()
        programs = self.brought / "usr" / "local" / "sbin"
        programs.mkdir(parents=True)
        for name, text in (("apt-get", _APT_GET), ("certbot", _CERTBOT)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (self.brought / "etc" / "hosts").write_text(f"127.0.0.1 localhost {_HOST}\n")

    def bringSources(self) -> None:
        shutil.copytree(
            ROOT,
            self.brought / "usr" / "local" / "src" / "pop3svc",
            ignore=shutil.ignore_patterns(*_NOT_SOURCES),
        )

    def bringPackages(self) -> None:
        """What pip fetches for it, and the settings by which it finds that."""
        packages = self.brought / "root" / "packages"
        sources = self.directory / "sources"
        shutil.copytree(self.brought / "usr" / "local" / "src" / "pop3svc", sources)
        wanted = (f"{sources}[passwd]", "setuptools")
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--wheel-dir", str(packages), *wanted],
            capture_output=True,
            text=True,
        )
        if fetched.returncode:
            unavailable(f"pip cannot fetch what pop3svc needs: {fetched.stderr[-500:]}")
        for each in packages.glob("pop3svc-*"):
            each.unlink()
        # In place of root's own, which this machine may have.
        settings = self.brought / "root" / ".config" / "pip" / "pip.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text("[global]\nno-index = true\nfind-links = /root/packages\n")

    def bringAuthority(self) -> None:
        """One that the machine trusts, and what it has issued."""
        authority = Authority()
        trusted = self.brought / _TRUSTED
        trusted.parent.mkdir(parents=True)
        authority.save(str(trusted))
        for name in ("issued", "renewed"):
            issued = self.brought / "root" / name
            issued.mkdir()
            together = self.directory / f"{name}.pem"
            authority.issue(str(together), _HOST)
            key, begin, rest = together.read_text().partition("-----BEGIN CERTIFICATE-----")
            (issued / "privkey.pem").write_text(key)
            (issued / "fullchain.pem").write_text(begin + rest)

    def test_wordForWord(self) -> None:
        machine = Machine(self.directory, self.brought)
        self.addCleanup(machine.end)
        shown = machine.type(commands(_PAGE.read_text()), _PASSWORD)
        self.assertIn("Active: active (running)", shown)
        self.assertIn("serving; sessions: 0, not logged in: 0", shown)
        self.assertIn("\nIt works.\n", shown)
        # Lines wait for others, though not for long.
        audit = machine.type("sleep 1; cat /var/log/pop3svc/audit.log", "")
        [login] = re.findall(r" event=login .*", audit)
        self.assertIn("tls=TLSv1.3 user=karl@example.org", login)
        [logout] = re.findall(r" event=logout .*", audit)
        self.assertIn("reason=quit retrieved=1", logout)
        self.assertIn("deleted=1 left=0", logout)
        machine.type(_JOE, _PASSWORD)
        self.checkLogs(machine.type(_ROTATED, ""))
        served, renewed = (machine.type(each, "") for each in (_SERVED, _RENEWED))
        [before], [after] = (re.findall(r"serial=\w+", each) for each in (served, renewed))
        self.assertNotEqual(before, after)

    def checkLogs(self, shown: str) -> None:
        """etc/logrotate.d, with systemd: the service writes to the new file."""
        old, new = shown.split("--\n")[-2:]
        self.assertEqual(old.count("event=logout"), 2)
        self.assertEqual(new.count("event=reloaded"), 1)
        self.assertNotIn("event=login", new)


def commands(page: str) -> str:
    """@return: all blocks of a page that are for a shell, in their order."""
    blocks = re.findall(r"^\.\. code-block:: sh\n\n((?:(?:    .*)?\n)+)", page, re.MULTILINE)
    return "".join(textwrap.dedent(each) for each in blocks)
