"""
A real OpenLDAP server on loopback, for tests.
"""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from urllib.parse import quote

from .live.programs import unavailable
from .pki import Authority
from .running import freePort

SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
SEARCHER = f"cn=mail,{SUFFIX}"
SEARCHER_PASSWORD = "searching"

_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/pid
TLSCACertificateFile {directory}/ca.pem
TLSCertificateFile {directory}/server.pem
TLSCertificateKeyFile {directory}/server.pem
# Nobody in particular may do nothing but log in.
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=open,dc=example,dc=org" by * read
access to * by dn.exact="cn=mail,dc=example,dc=org" read by self read by * none
database mdb
suffix dc=example,dc=org
directory {directory}/data
"""

_ENTRIES = """\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=mail,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mail
userPassword: searching

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=guests,ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: guests

dn: ou=open,dc=example,dc=org
objectClass: organizationalUnit
ou: open
"""


def person(name: str, password: str | None, *more: str, where: str = PEOPLE) -> str:
    """One entry as LDIF; C{more} are further lines of it."""
    lines = [
        f"dn: uid={name},{where}",
        "objectClass: inetOrgPerson",
        f"uid: {name}",
        f"cn: {name}",
        f"sn: {name}",
        *([] if password is None else [f"userPassword: {password}"]),
        *more,
    ]
    return "\n".join(lines) + "\n\n"


class Slapd:
    """
    The server, while it runs.

    @ivar plain: its URL in the clear, and with StartTLS.
    @ivar tls: its URL with TLS.
    @ivar other: the same on another address, which its certificate does not name.
    @ivar unix: its URL over a socket of the file system.
    @ivar authorities: the file of the authority of its certificate.
    """

    def __init__(self, directory: Path) -> None:
        """@raise SkipTest: there is no slapd."""
        program = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/local/libexec")
        if program is None:
            unavailable("slapd is not installed")
        self._program = program
        self._directory = directory
        (directory / "data").mkdir()
        authority = Authority()
        self.authorities = authority.save(str(directory / "ca.pem"))
        authority.issue(str(directory / "server.pem"), "127.0.0.1")
        (directory / "slapd.conf").write_text(_CONFIGURATION.format(directory=directory))
        self._ports = freePort(), freePort()
        self.plain = f"ldap://127.0.0.1:{self._ports[0]}"
        self.tls = f"ldaps://127.0.0.1:{self._ports[1]}"
        self.other = self.tls.replace("127.0.0.1", "127.0.0.2")
        self.unix = f"ldapi://{quote(str(directory / 'socket'), safe='')}"

    def load(self, entries: str) -> None:
        """
        Add entries; before it runs.

        @param entries: LDIF.
        """
        subprocess.run(
            [self._program, "-Ta", "-f", self._directory / "slapd.conf", "-q"],
            input=(_ENTRIES + "\n" + entries).encode(),
            check=True,
            capture_output=True,
            timeout=30,
        )

    def start(self) -> None:
        """Start it, and wait until it listens."""
        # -d keeps it in the foreground.
        self._process = subprocess.Popen(
            [
                *(self._program, "-d", "0", "-f", self._directory / "slapd.conf"),
                *("-h", f"{self.plain}/ {self.tls}/ {self.other}/ {self.unix}/"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        for port in self._ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > end or self._process.poll() is not None:
                        raise
                    time.sleep(0.02)

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._process.kill()
        self._process.wait()


@cache
def sharedSlapd(entries: str) -> Slapd:
    """One for all tests with these entries, which ends with this process."""
    directory = tempfile.TemporaryDirectory(prefix="slapd-")
    atexit.register(directory.cleanup)
    server = Slapd(Path(directory.name))
    server.load(entries)
    server.start()
    atexit.register(server.stop)
    return server
