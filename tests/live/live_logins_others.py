"""
Programs that know little more than passwords log in.
"""

from __future__ import annotations

from .fetchmail import Fetchmail
from .getmail import Getmail
from .harness import HOST, IMPLICIT, PASSWORD, PLAIN, USER, Way
from .live_poplib import connect
from .logins import TLS_WAYS, LoginTestCase
from .programs import findPerlModules, run

_NET_POP3 = r"""
use strict;
use Net::POP3;
use Authen::SASL;

my ($host, $port, $way, $authority, $certificate, $mechanism, $user, $password) = @ARGV;
my %check = (SSL_ca_file => $authority);
%check = (%check, SSL_cert_file => $certificate, SSL_key_file => $certificate)
    if $mechanism eq "EXTERNAL";
my @implicit = $way eq "implicit" ? (SSL => 1, %check) : ();
my $pop = Net::POP3->new($host, Port => $port, Timeout => 30, @implicit) or die "new: $@";
$pop->starttls(%check) or die "starttls: " . $pop->message if $way eq "STLS";
if ($mechanism eq "USER") {
    defined $pop->login($user, $password) or die "login: " . $pop->message;
} elsif ($mechanism eq "APOP") {
    defined $pop->apop($user, $password) or die "apop: " . $pop->message;
} else {
    my %answers = (user => $user, authname => $user, pass => $password);
    my $sasl = Authen::SASL->new(mechanism => $mechanism, callback => \%answers);
    $pop->auth($sasl) or die "auth: " . $pop->message;
}
my ($messages) = $pop->popstat;
print $messages;
$pop->quit or die "quit: " . $pop->message;
"""


class NetPOP3LoginTests(LoginTestCase):
    def setUp(self) -> None:
        super().setUp()
        # CRAM-MD5 is there only with yet another module.
        self.perl = findPerlModules("IO::Socket::SSL", "Authen::SASL::Perl::CRAM_MD5")

    def test_logins(self) -> None:
        self.checkLogins(["USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5"])
        self.checkLogins(["EXTERNAL"], TLS_WAYS)

    def logIn(self, way: Way, mechanism: str) -> int:
        command = [
            *(self.perl, "-e", _NET_POP3, HOST, str(self.service.port(way)), way.name),
            *(str(self.service.authority), self.certificate, mechanism, USER, PASSWORD),
        ]
        return int(run(command, self.directory))


class FetchmailLoginTests(LoginTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.fetchmail = Fetchmail(self.directory)

    def test_logins(self) -> None:
        self.checkLogins(["USER", "CRAM-MD5"])
        # With APOP it does not ask for STLS.
        self.checkLogins(["APOP"], (PLAIN, IMPLICIT))

    def logIn(self, way: Way, mechanism: str) -> int:
        self.fetchmail.forget()
        settings = {
            "USER": {"auth": "password"},
            "CRAM-MD5": {"auth": "cram-md5"},
            "APOP": {"protocol": "apop"},
        }
        return len(self.fetchmail.poll(self.service, way, True, **settings[mechanism]))


class GetmailLoginTests(LoginTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.getmail = Getmail(self.directory)

    def test_logins(self) -> None:
        self.checkLogins(["USER", "APOP"], (PLAIN, IMPLICIT))

    def logIn(self, way: Way, mechanism: str) -> int:
        self.getmail.forget()
        return len(self.getmail.poll(self.service, way, True, apop=mechanism == "APOP"))


class PoplibLoginTests(LoginTestCase):
    def test_logins(self) -> None:
        self.checkLogins(["USER", "APOP"])

    def logIn(self, way: Way, mechanism: str) -> int:
        client = connect(self.service, way)
        if mechanism == "APOP":
            client.apop(USER, PASSWORD)
        else:
            client.user(USER)
            client.pass_(PASSWORD)
        messages, _ = client.stat()
        client.quit()
        return messages
