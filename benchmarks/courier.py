"""
Courier's POP3 server.

Its packages conflict with Dovecot's, so they are unpacked instead of installed, and
the server sees them laid over C{/usr} and C{/etc} in a mount namespace of its own;
nothing else on the machine does.
"""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .server import Server, Surroundings

_PACKAGES = (
    *("courier-pop", "courier-base", "courier-authlib", "courier-authlib-userdb"),
    *("courier-authdaemon", "libcourier-unicode4", "libidn12", "libgdbm6", "libltdl7"),
)
# /run is empty inside, and holds the socket of the authentication daemon. TLS is
# GnuTLS in Debian, and takes the certificate as it is.
_START = """\
set -eu
mount --make-rprivate /
mount -t overlay overlay -o lowerdir={packages}/usr:/usr /usr
mount -t overlay overlay -o lowerdir={directory}/etc:{packages}/etc:/etc /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/courier/authdaemon
for database in userdb userdbshadow; do
    made={directory}/$database.dat
    /usr/lib/courier/courier-authlib/makedatprog - {directory}/users.tmp $made \
        < /etc/courier/$database.text
    chmod 600 $made
    mount --bind $made /etc/courier/$database.dat
done
/usr/lib/courier/courier-authlib/authdaemond &
while ! test -S /run/courier/authdaemon/socket; do sleep 0.1; done
set -a +u
. /etc/courier/pop3d
. /etc/courier/pop3d-ssl
TLS_CERTFILE={certificate} TLS_CACHEFILE={directory}/tls-cache TLS_DHPARAMS=
TLS_TRUSTCERTS= POP3AUTH=PLAIN POP3AUTH_TLS=PLAIN
touch $TLS_CACHEFILE
programs=/usr/lib/courier/courier
options="-address=127.0.0.1 -maxprocs=20000 -maxperip=20000 -nodnslookup -noidentlookup"
/usr/sbin/couriertcpd $options {port} \
    $programs/courierpop3login $programs/courierpop3d . &
exec /usr/sbin/couriertcpd $options {tlsPort} \
    /usr/bin/couriertls -server -tcpd $programs/courierpop3login $programs/courierpop3d .
"""


class Courier(Server):
    """One process a connection, as it comes."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        self._packages = around.programs / "courier"

    def prepare(self) -> None:
        if not self._packages.exists():
            _unpack(self._packages)
        settings = self.directory / "etc" / "courier"
        settings.mkdir(parents=True)
        (settings / "authdaemonrc").write_text(
            'authmodulelist="authuserdb"\nauthmodulelistorig="authuserdb"\ndaemons=5\n'
        )
        self._writeUsers(settings)
        (self.directory / "start").write_text(
            _START.format(
                packages=self._packages,
                directory=self.directory,
                certificate=self.around.certificate,
                port=self.port,
                tlsPort=self.tlsPort,
            )
        )

    def command(self) -> Sequence[str]:
        return ["unshare", "--mount", "/bin/sh", str(self.directory / "start")]

    def _writeUsers(self, settings: Path) -> None:
        """Texts that Courier's own program makes databases of users from."""
        owner = pwd.getpwnam("mail")
        public, secret = "", ""
        for line in self.around.passwords.read_text().splitlines():
            user, _, password = line.partition(":")
            public += (
                f"{user}\tuid={owner.pw_uid}|gid={owner.pw_gid}"
                f"|home={self.mail / user}|mail={self.mail / user}\n"
            )
            secret += f"{user}\tsystempw={password}\n"
        for name, text in (("userdb", public), ("userdbshadow", secret)):
            # A line with a dot ends what is read.
            (settings / f"{name}.text").write_text(text + ".\n", "ascii")
            # What the database is mounted on, since /etc is read-only inside.
            (settings / f"{name}.dat").touch(0o600)


def _unpack(directory: Path) -> None:
    """
    Fetch the packages as apt does, and unpack them.

    @raise subprocess.CalledProcessError: there are none to be had.
    """
    directory.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "-q", *_PACKAGES], cwd=directory, check=True)
    for each in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(each), str(directory)], check=True)
        each.unlink()
