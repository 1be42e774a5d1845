"""L{pop3svc.checking.ports}: whether a port can be had, without listening on it."""

import os
import socket
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import TestCase

from pop3svc.checking import ports
from pop3svc.checking.findings import Section
from pop3svc.checking.ports import Port, checkPort
from pop3svc.errors import SettingError
from pop3svc.listeners import ListenerSettings

from .checks import errors, facts, warnings
from .running import freePort


def checked(endpoint: str, before: list[Port] | None = None) -> Section:
    section = Section("Listeners")
    checkPort(section, ListenerSettings(endpoint, "stls"), [] if before is None else before)
    return section


class PortTests(TestCase):
    def test_free(self) -> None:
        self.patch(socket.socket, "listen", self.fail)
        port = freePort()
        before: list[Port] = []
        for endpoint in (
            f"tcp:{port}:interface=127.0.0.1",
            f"haproxy:tcp:{freePort()}:interface=127.0.0.1:backlog=5",
        ):
            section = checked(endpoint, before)
            self.assertEqual((facts(section), len(section.findings)), (["the port is free"], 1))
        self.assertEqual(before[0], Port(port, "127.0.0.1"))
        # Nobody has it now.
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))

    def test_afterAStop(self) -> None:
        """Connections that the kernel remembers for a minute keep no service away."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            with socket.create_connection(address) as client:
                server.accept()[0].close()
                self.assertEqual(client.recv(1), b"")
        self.assertEqual(
            facts(checked(f"tcp:{address[1]}:interface=127.0.0.1")), ["the port is free"]
        )

    def test_runningServiceIsLeftAlone(self) -> None:
        """It sees no connection, and keeps its port."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint = f"tcp:{server.getsockname()[1]}:interface=127.0.0.1"
            words = Path("/proc/self/cmdline").read_bytes()
            ours = Path.read_bytes
            with mock.patch.object(
                Path,
                "read_bytes",
                lambda self: words + b"\0pop3svc\0" if "cmd" in str(self) else ours(self),
            ):
                running = checked(endpoint)
            server.settimeout(0)
            self.assertRaises(BlockingIOError, server.accept)
        self.assertEqual(
            facts(running),
            [f"the port is in use by pop3svc (process {os.getpid()}), which runs already"],
        )

    def test_inUseByOthers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint = f"tcp:{server.getsockname()[1]}:interface=127.0.0.1"
            name = Path("/proc/self/comm").read_text().strip()
            self.assertEqual(
                errors(checked(endpoint)),
                [
                    f"the port is in use by {name} (process {os.getpid()}); stop that, or take"
                    " another port"
                ],
            )
            with mock.patch.object(ports, "_holders", lambda port: iter(())):
                [sentence] = warnings(checked(endpoint))
            self.assertIn("the port is in use; if it is not by this service", sentence)

    def test_notOurs(self) -> None:
        self.assertEqual(
            errors(checked(f"tcp:{freePort()}:interface=192.0.2.1")),
            [
                "192.0.2.1 is no address of this machine; write one that is (ip addr shows them),"
                " or leave interface= out"
            ],
        )
        with mock.patch.object(socket.socket, "bind", side_effect=PermissionError(13, "no")):
            [sentence] = warnings(checked("tcp:110"))
        self.assertIn("ports below 1024 need a privilege", sentence)

    def test_twice(self) -> None:
        for one, other, meet in (
            (Port(110, ""), Port(110, ""), True),
            (Port(110, ""), Port(110, "192.0.2.1"), True),
            (Port(110, "192.0.2.1"), Port(110, "192.0.2.2"), False),
            (Port(110, ""), Port(995, ""), False),
            (Port(0, ""), Port(0, ""), False),
            (Port(110, "::"), Port(110, "::1"), True),
            (Port(110, "192.0.2.1"), Port(110, "::1"), False),
            (Port(110, "::"), Port(110, "127.0.0.1"), not ports._separate()),
        ):
            self.assertEqual(one.meets(other), meet, (one, other))
            self.assertEqual(other.meets(one), meet, (other, one))
        port = freePort()
        [sentence] = errors(checked(f"tcp:{port}", [Port(port, "")]))
        self.assertIn(f"another listener above has port {port} already", sentence)

    def test_asTwistedListens(self) -> None:
        """What L{Port.meets} says of both protocols is what happens."""
        port = freePort()
        with socket.socket(socket.AF_INET6) as six, socket.socket() as four:
            for each in (six, four):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                six.bind(("::", port))
            except OSError:
                self.skipTest("this machine has no IPv6")
            six.listen()
            fits = not Port(port, "::").meets(Port(port, ""))
            if fits:
                four.bind(("", port))
            else:
                self.assertRaises(OSError, four.bind, ("", port))

    def test_others(self) -> None:
        for endpoint, sentence in (
            ("systemd:domain=INET:index=0", "systemd hands the port over; whether it does shows"),
            ("fd:domain=INET:fileno=0", "whether it can be listened on shows at the start"),
        ):
            with mock.patch("pop3svc.checking.ports.makeEndpoint"):
                section = checked(endpoint)
            self.assertEqual(len(section.findings), 1)
            self.assertIn(sentence, facts(section)[0])
        self.assertRaises(SettingError, checked, "tcp:pop3-but-not-really")

    def test_systemd(self) -> None:
        """Only whether the port is handed over is not known; the rest is."""
        [sentence] = facts(checked("systemd:domain=INET:index=999"))
        self.assertIn("systemd hands the port over", sentence)
        for endpoint in ("systemd:domain=INET", "systemd:INET", "systemd:domain=INET:index=x"):
            self.assertRaises(SettingError, checked, endpoint)

    def test_zone(self) -> None:
        """An address that needs the interface is bound with it, as Twisted does."""
        with mock.patch.object(socket.socket, "bind") as bind:
            self.assertEqual(
                facts(checked("tcp6:110:interface=fe80\\:\\:1%lo")), ["the port is free"]
            )
        bind.assert_called_once_with(("fe80::1", 110, 0, socket.if_nametoindex("lo")))

    def test_noPort(self) -> None:
        for number in (-1, 65536):
            self.assertEqual(
                errors(checked(f"tcp:{number}:interface=127.0.0.1")),
                [f"there is no port {number}; name one from 1 to 65535"],
            )

    def test_noSocket(self) -> None:
        for path in ("", "/" + "x" * 107):
            self.assertEqual(
                errors(checked(f"unix:{path}")),
                ["the path of a socket has 1 to 107 octets; name another one"],
            )

    def test_socket(self) -> None:
        folder = os.path.abspath(self.mktemp())
        path = f"{folder}/pop3"
        [sentence] = errors(checked(f"unix:{path}"))
        self.assertEqual(sentence, f"the directory {folder} is not there; make it")
        os.mkdir(folder)
        self.assertEqual(facts(checked(f"unix:{path}")), ["the socket can be made"])
        os.symlink(str(os.getpid()), path + ".lock")
        self.assertEqual(
            facts(checked(f"unix:{path}")),
            ["the socket is in use by a service that runs already"],
        )

    def test_socketLeft(self) -> None:
        """What is there already, Twisted removes only where its own lock was left, too."""
        path = os.path.relpath(self.mktemp())
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
        sentence = f"{path} is there already; remove it, or name another one"
        self.assertEqual(errors(checked(f"unix:{path}")), [sentence])
        # Of no process.
        os.symlink(str(1 << 30), path + ".lock")
        self.assertEqual(facts(checked(f"unix:{path}")), ["the socket can be made"])
        os.remove(path)
        Path(path).touch()
        self.assertEqual(errors(checked(f"unix:{path}")), [sentence])
