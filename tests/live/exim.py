"""
An Exim of its own, which runs where it is unpacked: its package conflicts with Postfix's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.running import ROOT

from .programs import findProgram, run, unavailable
from .unprivileged import EXIM, give, needRoot, withUsers

_PACKAGES = ("exim4-base", "exim4-daemon-light")
_SNIPPETS = ROOT / "etc" / "exim4" / "conf.d"
_UNPACKED = ROOT / "build" / "exim4"

_SETTINGS = """\
spool_directory = {directory}/exim
log_file_path = {directory}/exim/%slog
exim_path = {program}
primary_hostname = mail.example.org
domainlist local_domains = example.org
never_users = root
keep_environment =
begin routers
{router}
begin transports
{transport}
"""
# Exim gives up root if it is told of another configuration than its own.
_ENTER = """
mount -t overlay -o "lowerdir=$1:/etc" none /etc
mount --bind "$2" /var/mail
shift 2
exec "$@"
"""


class Exim:
    """Exim with the snippets of etc/exim4, and nothing else that delivers."""

    def __init__(self, directory: Path, mail: Path, mailboxes: str) -> None:
        """
        @param directory: where it may put things; others must be able to enter it.
        @param mail: what is C{/var/mail} for it.
        @param mailboxes: what its file of them says.
        @raise SkipTest: it cannot be had.
        """
        needRoot()
        self._directory = directory
        program = _unpacked() / "usr" / "sbin" / "exim4"
        (directory / "exim").mkdir()
        give(directory / "exim", EXIM, EXIM)
        settings = directory / "etc" / "exim4"
        settings.mkdir(parents=True)
        (settings / "pop3svc-mailboxes").write_text(mailboxes)
        (settings / "exim4.conf").write_text(
            _SETTINGS.format(
                directory=directory,
                program=program,
                router=(_SNIPPETS / "router" / "250_pop3svc").read_text(),
                transport=(_SNIPPETS / "transport" / "30_pop3svc").read_text(),
            )
        )
        self._own = (
            *(findProgram("unshare"), "--mount", "sh", "-ec", _ENTER, "sh"),
            *(str(directory / "etc"), str(mail), *withUsers(directory), str(program)),
        )

    def version(self) -> str:
        """What it says about itself and its configuration, once that is read whole."""
        return self._run("-bV")

    def route(self, address: str, status: int = 0) -> str:
        """What it would do with a message for this address."""
        return self._run("-bt", address, statuses=(status,))

    def deliver(self, address: str, message: bytes) -> None:
        """At once."""
        words = (*self._own, "-odf", "-i", "-f", "walter@example.org", address)
        run(words, self._directory, stdin=message)

    def log(self) -> str:
        """What it has done."""
        return (self._directory / "exim" / "mainlog").read_text()

    def _run(self, *words: str, statuses: tuple[int, ...] = (0,)) -> str:
        return run((*self._own, *words), self._directory, statuses).decode()


def _unpacked() -> Path:
    if not _UNPACKED.exists():
        findProgram("apt-get")
        made = _UNPACKED.with_name("exim4.new")
        made.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                ["apt-get", "download", *_PACKAGES], cwd=made, capture_output=True, check=True
            )
            for each in made.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(each), str(made)], check=True)
                each.unlink()
        except subprocess.CalledProcessError:
            unavailable("the packages of Exim cannot be had")
        made.rename(_UNPACKED)
    return _UNPACKED
