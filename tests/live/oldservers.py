"""
The servers that people move here from, as the benchmarks start them: on loopback, with
all of their own in one directory, and without a trace of them on the machine.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from unittest import SkipTest

from benchmarks.courier import Courier
from benchmarks.dovecot import Dovecot
from benchmarks.server import Server, Surroundings
from tests.pki import Authority

from .harness import HOST, PASSWORD, PLAIN, USER, Way
from .programs import findProgram
from .unprivileged import needRoot

# Unpacked once for all tests, as for the benchmarks.
_PROGRAMS = Path(__file__).parents[2] / "build" / "benchmarks"


class StandardDovecot(Dovecot):
    """With its lists in the Maildirs, where they are unless somebody moves them."""

    uidlFormat = "%08Xu%08Xv"

    def prepare(self) -> None:
        super().prepare()
        path = self.directory / "dovecot.conf"
        text = path.read_text()
        beside = f":INDEX={self.directory}/index/%u:CONTROL={self.directory}/index/%u"
        if beside not in text:
            raise AssertionError("the benchmarks set up another Dovecot than this")
        setting = f"\nprotocol pop3 {{\n  pop3_uidl_format = {self.uidlFormat}\n}}\n"
        path.write_text(text.replace(beside, "") + setting)


def surroundings(directory: Path) -> Surroundings:
    """
    What they are given, with one user.

    @param directory: where they may put things; others must be able to enter it.
    """
    needRoot()
    authority = Authority()
    authority.issue(str(directory / "old.pem"), HOST)
    authority.save(str(directory / "old-authority.pem"))
    passwords = directory / "old-passwords"
    done = subprocess.run(
        [findProgram("openssl"), "passwd", "-6", PASSWORD], capture_output=True, check=True
    )
    passwords.write_bytes(f"{USER}:".encode() + done.stdout)
    for name in ("old.pem", "old-passwords"):
        # Servers give up root and read it again.
        (directory / name).chmod(0o644)
    return Surroundings(
        root=directory / "old",
        programs=_PROGRAMS,
        source=directory,
        answers=directory,
        passwords=passwords,
        certificate=directory / "old.pem",
        cores=(0,),
        loadCores=(0,),
    )


def dovecot(directory: Path, uidlFormat: str = StandardDovecot.uidlFormat) -> Server:
    """
    @param directory: as for L{surroundings}.
    @raise SkipTest: it is not installed.
    """
    findProgram("dovecot")
    server = StandardDovecot("dovecot", surroundings(directory))
    server.uidlFormat = uidlFormat
    return server


class UnpackedCourier(Courier):
    """Where its packages can be had; they are no part of what has to be installed."""

    def prepare(self) -> None:
        unpacked = self.around.programs / "courier"
        isNew = not unpacked.exists()
        try:
            super().prepare()
        except subprocess.CalledProcessError as error:
            if isNew:
                shutil.rmtree(unpacked)
            reason = "courier-pop cannot be downloaded; run apt-get update"
            raise SkipTest(reason) from error


def courier(directory: Path) -> Server:
    """
    @param directory: as for L{surroundings}.
    @return: raises L{SkipTest} when it is started, if its packages cannot be had.
    """
    return UnpackedCourier("courier", surroundings(directory))


class Old:
    """How mail programs come to one of them, as L{harness.Served}."""

    def __init__(self, server: Server) -> None:
        """@param server: it runs."""
        self.authority = server.around.certificate.with_name("old-authority.pem")
        self._ports = {False: server.port, True: server.tlsPort}

    def port(self, way: Way = PLAIN) -> int:
        """Where clients that come this way connect to."""
        return self._ports[way.implicit]
