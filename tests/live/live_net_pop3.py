"""
Perl's Net::POP3, the client inside OTOBO, Znuny and many a script.
"""

from __future__ import annotations

from collections.abc import Sequence

from .harness import HOST, IMPLICIT, PASSWORD, PLAIN, STLS, USER, Way
from .programs import findPerlModules
from .scenario import ScriptTestCase

_PROGRAM = r"""
use strict;
use Net::POP3;

my ($host, $port, $way, $authority, $user, $password, $keep) = @ARGV;
my %check = (SSL_ca_file => $authority);
my @implicit = $way eq "implicit" ? (SSL => 1, %check) : ();
my $pop = Net::POP3->new($host, Port => $port, Timeout => 30, @implicit) or die "new: $@";
$pop->starttls(%check) or die "starttls: " . $pop->message if $way eq "STLS";
defined $pop->login($user, $password) or die "login: " . $pop->message;
my %seen = map { chomp; $_ => 1 } <STDIN>;
my $list = $pop->uidl or die "uidl: " . $pop->message;
binmode STDOUT;
for my $number (sort { $a <=> $b } keys %$list) {
    my $uniqueId = $list->{$number};
    if (!$seen{$uniqueId}) {
        my $lines = $pop->get($number) or die "get: " . $pop->message;
        my $message = join "", @$lines;
        print "$uniqueId ", length $message, "\n", $message;
    }
    $keep or $pop->delete($number) or die "delete: " . $pop->message;
}
$pop->quit or die "quit: " . $pop->message;
"""


class NetPOP3Tests(ScriptTestCase):
    program = "Net::POP3"

    def setUp(self) -> None:
        super().setUp()
        self.perl = findPerlModules("Net::POP3", "IO::Socket::SSL")

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def command(self, way: Way, keep: bool) -> list[str]:
        return [
            *(self.perl, "-e", _PROGRAM, HOST, str(self.service.port(way)), way.name),
            *(str(self.service.authority), USER, PASSWORD, "1" if keep else ""),
        ]

    def expected(self, way: Way, stored: Sequence[bytes]) -> Sequence[bytes]:
        """It makes LF of line ends; within TLS it leaves them as they are."""
        messages = super().expected(way, stored)
        return messages if way.tls else [each.replace(b"\r\n", b"\n") for each in messages]
