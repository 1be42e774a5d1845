"""
Logins whose messages are mutated below the base64, and sent well wrapped: what
C{PLAIN}, C{SCRAM}, C{OAUTHBEARER} and the others are made of. L{stream} checks them.
"""

from __future__ import annotations

from base64 import b64encode
from random import Random

from .case import Case
from .mutation import cut, mutate
from .naivelogin import digestOf, proofOf
from .plans import Plan, notRandom
from .stream import Stream
from .streamworld import STAMP

_STAMPED = digestOf("cram", STAMP, b"secret")
_NONCE = b64encode(notRandom(18))
_EXPORTER = b64encode(b"p=tls-exporter,," + b"x" * 32)
# Mechanism -> what karl says in it, when all is well.
_GOOD: dict[bytes, tuple[bytes, ...]] = {
    b"PLAIN": (b"\0karl\0secret",),
    b"LOGIN": (b"karl", b"secret"),
    b"CRAM-MD5": (b"karl " + _STAMPED,),
    b"EXTERNAL": (b"karl",),
    b"OAUTHBEARER": (
        b"n,a=karl,\x01host=mx\x01port=995\x01auth=Bearer token-of-karl\x01\x01",
        b"\x01",
    ),
    b"XOAUTH2": (b"user=karl\x01auth=Bearer token-of-karl\x01\x01", b""),
    b"SCRAM-SHA-1": (b"n,,n=karl,r=fyko", b"c=biws,r=fyko" + _NONCE, b""),
    b"SCRAM-SHA-256": (b"n,a=karl,n=karl,r=fyko", b"c=bixhPWthcmws,r=fyko" + _NONCE, b""),
    b"SCRAM-SHA-256-PLUS": (
        b"p=tls-exporter,,n=karl,r=fyko",
        b"c=" + _EXPORTER + b",r=fyko" + _NONCE,
        b"",
    ),
}
_PIECES = [
    *(each for said in _GOOD.values() for each in said),
    *(b"n,,", b"y,,", b"p=tls-unique,,", b"a=eve,", b"m=x,", b"=2C", b"=3D", b"=", b",p=AAAA"),
    *(b"auth=", b"Bearer ", b"\x01", b"\x01\x01", b"user=", b"\0", b"karl", b"joe", b"secret"),
    *("kärl".encode(), b"\xff", b"\xc0\x80", b",x=y", b"r=fyko" + _NONCE, b"c=biws"),
]


class Exchanges(Stream):
    """The target."""

    name = "exchanges"

    def make(self, dice: Random) -> Case:
        plan = Plan.make(dice)
        plan = Plan(**{**plan.asJSON(), "secure": True, "startTLS": False, "messages": "two"})
        sent = b"".join(self._login(dice) for _ in range(dice.choice((1, 2, 4))))
        return Case(self.name, tuple(cut(dice, sent + b"STAT\r\n")), plan=plan.asJSON())

    def _login(self, dice: Random) -> bytes:
        mechanism = dice.choice(list(_GOOD))
        said = list(_GOOD[mechanism])
        changes = dice.choice((0, 1, 1, 1, 2, 4))
        at = dice.randrange(len(said))
        for _ in range(changes):
            said[at] = mutate(dice, said[at], _PIECES)
        if mechanism.startswith(b"SCRAM") and dice.random() < 0.9:
            # The proof is made last, over whatever is said now.
            said[1] += b",p=" + b64encode(proofOf(mechanism, said[0], said[1]))
        lines = [b64encode(each) for each in said]
        if dice.randrange(10) == 0:
            lines[at] = mutate(dice, lines[at], [b"=", b"*", b"====", b"AAAA", b"\t"])
        begin = b"AUTH " + mechanism
        if mechanism != b"CRAM-MD5" and dice.randrange(2):
            begin += b" " + (lines.pop(0) or b"=")
        return b"\r\n".join([begin, *lines, b""])
