"""
L{pop3svc.auth.dovecotline}: the file that an administrator brings along.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.credential import Credential, Malformed
from pop3svc.auth.networks import Networks
from pop3svc.auth.passwdfile import parse
from pop3svc.auth.passwdline import parseLine
from pop3svc.auth.schemes import verify

# As Dovecot's doveadm pw has made them for the password "secret".
MIGRATED = b"""\
# users of the old server
pbkdf2:{PBKDF2}$1$usGMGGzMeZJ/Gcal$5000$e0ba54d914ff37e921c2244f333698f0ea0e85ee:5000:5000::/srv::
scram1:{SCRAM-SHA-1}4096,VazD0v8A6gASQv0iMX96wQ==,qZvy7xEcro2BJVdSazfuWkB7ojI=,\
wwXYcFxDMkSxpz3nm7mIq4uNtOw=::::::
scram256:{SCRAM-SHA-256}4096,cC8lD0M7RUk4rkz1eGPuPw==,AaTqH1o4fUok7CyPJl6Mhxfgatw4gyxwRL08RHrUPww=,\
DuGCAlJ0m2BQVCvm1KOz/z0uolvN189mJX+HSV8rmxw=::::::
sha256:{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=::::::
ssha512:{SSHA512}SBtqCgk+9yKznfkQcP91pCs9pfkNtOodaL7ojCPVZu9K1ja300fqfBtb9GP3kE/4MKj3D6gwe/8ngv/\
7THS84VZySSk=:5000:5000
smd5:{SMD5}49OzH1s44E7LW9pX6ZP0hZ8UK+4=:5000:5000::/srv/mail::
plainmd5:{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69::::::
ldapmd5:{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==::::::
shahex:{SHA.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4::::::
sshahex:{SSHA256.HEX}7a82fd14a61110755a6dacb16956af0125a74496c1a165848d5490580926b909057c4ac4::::::
plain:{PLAIN}secret::::::
plainb64:{PLAIN.B64}c2VjcmV0::::::
plainhex:{PLAIN.HEX}736563726574::::::
blowfish:{BLF-CRYPT}$2y$05$nrvb2cJSneA1TA4o1U4T6eNptRG13I3gG5QO9oqTM.OkaDqYPwFkG::::::
sha512crypt:{SHA512-CRYPT}$6$aE0fwfRGCuHuo8sF$H.kUf334ax8QMT.752vrmwRpW2wzx7C4IUPk0DqH2p84MZ8flLhBhPO\
R5X6sUObl4Vir6spKSoThTeW3bLJbV/::::::
argon2id:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$jAB8bZQNbCDTTzE525nFNQ$AgIXiMRN/oMVp4OnUwe8xnqnxaJg\
DKnrBQ28z3YXlGk::::::
md5:{MD5}$1$EYnCnzRQ$kOEL2EX3BeaY2N22NbZKg/::::::
des:{DES-CRYPT}kihiwPcM/O5nU::::::
bare:$1$EYnCnzRQ$kOEL2EX3BeaY2N22NbZKg/::::::
baredes:kihiwPcM/O5nU::::::
yescrypt:$y$j75$saltsaltsaltsalt$DsMjm5uqUiFBUYLB9CLnX8E/M0k0mOVJBUWdpCrUik9:1000:1000:K,,,:/home/k:/bin/sh
"""

HASH = b"{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"


class MigrationTests(SynchronousTestCase):
    def test_everyScheme(self) -> None:
        """All users have their passwords still, and no line is complained about."""
        table = parse(MIGRATED, 20)
        self.assertEqual(table.complaints, [])
        self.assertEqual(len(table.users), 21)
        for user in table.users.values():
            [credential] = user.credentials
            assert credential.stored is not None
            self.assertIs(verify(credential.stored, b"secret"), True, user.name)
            self.assertIs(verify(credential.stored, b"Secret"), False, user.name)

    def test_unknownSchemes(self) -> None:
        """They are named by file and line, and everybody else is served."""
        table = parse(b"a:{CRAM-MD5}cd3b::::::\n" + MIGRATED, 20)
        self.assertEqual(
            table.complaints,
            [
                (
                    1,
                    "the scheme {CRAM-MD5} is not known; set the password anew with"
                    " `pop3svc passwd set`",
                )
            ],
        )
        self.assertEqual(table.users[b"a"].credentials, ())
        self.assertEqual(len(table.users), 22)


class FieldsTests(SynchronousTestCase):
    def extra(self, fields: str, home: str = "/srv/mail/karl") -> Credential:
        return parseLine(b"karl:%b:5000:5000::%b::%b" % (HASH, home.encode(), fields.encode()))

    def refused(self, line: bytes) -> str:
        error = self.assertRaises(Malformed, parseLine, line)
        self.assertEqual(error.user, b"karl")
        return str(error)

    def refusedExtra(self, fields: str, home: str = "/srv/mail/karl") -> str:
        return self.refused(b"karl:%b:::%b::%b" % (HASH, b":" + home.encode(), fields.encode()))

    def test_nothingExtra(self) -> None:
        self.assertEqual(self.extra(""), Credential(b"karl", HASH))

    def test_locked(self) -> None:
        for stored in (b"!", b"*", b"!" + HASH):
            self.assertIsNone(parseLine(b"karl:%b::::::" % stored).stored)

    def test_emptyPassword(self) -> None:
        for fields in (b"", b"nopassword", b"nopassword=y"):
            self.refused(b"karl::::::" + b":" + fields)

    def test_anyPassword(self) -> None:
        """C{nopassword} never opens an account."""
        for fields in ("nopassword", "nopassword=y", "userdb_mail=maildir:/a nopassword"):
            self.assertEqual(
                self.refusedExtra(fields),
                "nopassword would open the account to any password; remove it, and set a password",
            )

    def test_networks(self) -> None:
        """Colons stand there without brackets."""
        for key in ("allow_nets", "allow_real_nets"):
            found = self.extra(f"{key}=192.0.2.0/24,2001:db8::/32,local")
            assert found.networks is not None
            for peer in ("192.0.2.1", "2001:db8::1", "unix"):
                self.assertIn(peer, found.networks)
            self.assertNotIn("192.0.3.1", found.networks)
        self.assertEqual(self.extra("allow_nets=::1").networks, Networks(["::1"]))

    def test_wrongNetworks(self) -> None:
        for fields in ("allow_nets=", "allow_nets", "allow_nets=lan"):
            self.assertIn("networks are written", self.refusedExtra(fields))
        self.assertEqual(
            self.refusedExtra("allow_nets=::1 allow_real_nets=::2"),
            "allow_nets and allow_real_nets together are not understood; keep one",
        )

    def test_closed(self) -> None:
        for fields, closedBy in (
            ("nologin", "nologin"),
            ("nologin=y reason=moved", "nologin"),
            ("fail=y", "fail"),
            ("userdb_uid=1", None),
        ):
            self.assertEqual(self.extra(fields).closedBy, closedBy)

    def test_maildrop(self) -> None:
        for fields, maildrop in (
            ("userdb_mail=maildir:/srv/k", "/srv/k"),
            ("userdb_mail=maildir:~/Maildir", "/srv/mail/karl/Maildir"),
            ("userdb_mail=maildir:/srv/k:LAYOUT=fs:INDEX=/var/i", "/srv/k"),
            ("userdb_mail_driver=maildir userdb_mail_path=~/M", "/srv/mail/karl/M"),
            ("userdb_quota_rule=*:storage=1G userdb_mail=maildir:/srv/k", "/srv/k"),
            ("userdb_quota_rule=*:storage=1G", None),
        ):
            self.assertEqual(self.extra(fields).maildrop, maildrop)

    def test_unfitMaildrop(self) -> None:
        """Nobody is served from a place where their mail is not."""
        for fields in (
            "userdb_mail=mbox:/srv/k",
            "userdb_mail=mdbox:~/mdbox",
            "userdb_mail=/srv/k",
            "userdb_mail_driver=sdbox",
        ):
            self.assertEqual(
                self.refusedExtra(fields), "mail that is no Maildir cannot be served (userdb_mail)"
            )
        for fields, home in (
            ("userdb_mail=maildir:~/Maildir", ""),
            ("userdb_mail=maildir:/srv/%u", "/srv"),
            ("userdb_mail=maildir:/srv/%{user}", "/srv"),
            ("userdb_mail=maildir:~karl/Maildir", "/srv"),
            ("userdb_mail=maildir:~/Maildir", "relative"),
        ):
            self.assertIn("the maildrop is a", self.refusedExtra(fields, home))

    def test_otherUser(self) -> None:
        for key in ("user", "login_user"):
            self.assertEqual(
                self.refusedExtra(f"{key}=joe"),
                f"{key} names another user; write a line for that one",
            )

    def test_remarks(self) -> None:
        """What only Dovecot can do is told, and the user served."""
        found = self.extra("proxy=y host=192.0.2.1 userdb_quota_rule=*:storage=1G s3cr3t!")
        self.assertEqual(
            found.remarks,
            (
                "the field host of Dovecot means nothing here",
                "the field proxy of Dovecot means nothing here",
                "the field that is no word of Dovecot means nothing here",
            ),
        )

    def test_whichFormat(self) -> None:
        """Ours, although a field is numeric or empty; then the field is wrong."""
        for fields in (
            b":nopop3:",
            b":nopop3::",
            b":networks=::1:",
            b":name=phone:5000",
            b":netwrks=::1",
            b":nopp3:",
        ):
            self.assertRaises(Malformed, parseLine, b"karl:" + HASH + fields)
        for fields in (b":", b"::", b":5000", b"::::::", b":5000:vmail", b"::a:b:"):
            self.assertEqual(parseLine(b"karl:" + HASH + fields), Credential(b"karl", HASH))

    def test_halfAndHalf(self) -> None:
        """A field of ours among Dovecot's would be left out of account."""
        for fields in (b"::nopop3", b":5000:nopop3", b"::netwrks=::1", b"::::read-only"):
            self.assertEqual(
                self.refused(b"karl:" + HASH + fields),
                "this is half Dovecot's format and half ours; write one of them",
            )
