"""
What Hypothesis says to a session: with sense, almost with sense, and without any.
"""

from __future__ import annotations

from base64 import b64encode

from hypothesis import strategies as st

from .dialogues import DICTIONARY
from .mutation import NUMBERS

_NUMBER = st.integers(0, 12).map(lambda n: b"%d" % n) | st.sampled_from(NUMBERS)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=12).map(str.encode)
_KEYWORDS = st.sampled_from(
    [
        *(b"USER", b"PASS", b"APOP", b"AUTH", b"STLS", b"CAPA", b"UTF8", b"LANG", b"QUIT", b"STAT"),
        *(b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE", b"RSET", b"NOOP", b"XTND", b"stat", b"rEtR"),
    ]
)
_ARGUMENTS = (
    st.just(b"")
    | _NUMBER.map(lambda n: b" " + n)
    | st.tuples(_NUMBER, _NUMBER).map(lambda pair: b" %s %s" % pair)
    | _TEXT.map(lambda text: b" " + text)
)
_FINAL = b"c=%s,r=fyko" + b64encode(b"\xab" * 18) + b",p=AAAA"
_BOUND = b64encode(b"p=tls-exporter,," + b"x" * 32)
MECHANISMS = st.sampled_from(
    [
        *(b"PLAIN", b"LOGIN", b"CRAM-MD5", b"EXTERNAL", b"OAUTHBEARER", b"XOAUTH2", b"NTLM"),
        *(b"SCRAM-SHA-1", b"SCRAM-SHA-256", b"SCRAM-SHA-256-PLUS", b""),
    ]
)
_SAID = st.sampled_from(
    [
        *(
            b"\0karl\0secret",
            b"karl",
            b"",
            b"karl " + b"0" * 32,
            b"n,,n=karl,r=fyko",
            b"a\0b\0c\0d",
        ),
        *(b"n,a=karl,\x01auth=Bearer x\x01\x01", b"user=karl\x01auth=Bearer x\x01\x01", b"\xff"),
        *(b"p=tls-exporter,,n=karl,r=fyko", b"c=biws,r=fyko,p=AAAA", b"\x01"),
    ]
)
_WORDS = [word.rstrip(b"\r\n") for word in DICTIONARY if b"\n" not in word.rstrip(b"\r\n")]
LINES = (
    st.tuples(_KEYWORDS, _ARGUMENTS).map(b"".join)
    | st.sampled_from([word for word in _WORDS if not word.startswith((b"\x16", b"EHLO"))])
    | st.tuples(MECHANISMS, _SAID).map(lambda pair: b"AUTH %s %s" % (pair[0], b64encode(pair[1])))
    | MECHANISMS.map(lambda name: b"AUTH " + name)
    | _SAID.map(b64encode)
    | st.binary(max_size=20).map(lambda octets: octets.replace(b"\n", b""))
)
# What can be said after login, mostly with sense.
ORDERS = st.tuples(
    st.sampled_from(
        [b"DELE", b"DELE", b"RETR", b"TOP", b"LIST", b"UIDL", b"STAT", b"RSET", b"QUIT"]
    ),
    st.sampled_from([b"", b" 1", b" 2", b" 3", b" 10", b" 11", b" 1 0", b" 2 1", b" 7 9"]),
).map(b"".join)
# What karl says in an exchange; the proof is one to the eye alone.
SAID_WELL = {
    b"PLAIN": (b"\0karl\0secret",),
    b"LOGIN": (b"karl", b"secret"),
    b"CRAM-MD5": (b"karl " + b"0" * 32,),
    b"EXTERNAL": (b"karl",),
    b"OAUTHBEARER": (b"n,a=karl,\x01auth=Bearer x\x01\x01",),
    b"XOAUTH2": (b"user=karl\x01auth=Bearer x\x01\x01",),
    b"SCRAM-SHA-1": (b"n,,n=karl,r=fyko", _FINAL % b"biws"),
    b"SCRAM-SHA-256": (b"n,,n=karl,r=fyko", _FINAL % b"biws"),
    b"SCRAM-SHA-256-PLUS": (b"p=tls-exporter,,n=karl,r=fyko", _FINAL % _BOUND),
}
