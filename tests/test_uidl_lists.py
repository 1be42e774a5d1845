"""
L{pop3svc.migration.dovecot}, L{courier}, L{table} and L{found}: lists of unique-ids.
"""

from __future__ import annotations

from hashlib import md5

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import SettingError
from pop3svc.migration.courier import parseSizeList
from pop3svc.migration.dovecot import DEFAULT_FORMAT, parseFormat, parseUidList
from pop3svc.migration.found import choose
from pop3svc.migration.table import parseTable

HEADER = b"3 V1700000000 N20 G0123456789abcdef0123456789abcdef\n"


class DovecotTests(SynchronousTestCase):
    def ids(self, lines: bytes, text: str = DEFAULT_FORMAT) -> list[tuple[bytes, bytes]]:
        return list(parseUidList(HEADER + lines, "LIST", parseFormat(text)))

    def test_names(self) -> None:
        self.assertEqual(
            self.ids(b"10 :1.a\n17 W512 :2.b:2,S\n18 G0a S4 W5 :3 c :d\n"),
            [
                (b"1.a", b"0000000a6553f100"),
                (b"2.b", b"000000116553f100"),
                (b"3 c ", b"000000126553f100"),
            ],
        )

    def test_saved(self) -> None:
        """What is saved for a message wins; saved as nothing, it is the name."""
        self.assertEqual(
            self.ids(b"1 PUID7-8 O3 :1.a\n2 P :2.b\n"), [(b"1.a", b"UID7-8"), (b"2.b", b"2.b")]
        )

    def test_formats(self) -> None:
        for text, expected in [
            ("%v.%u", b"1700000000.18"),
            ("%g", b"0aF"),
            ("%f", b"3.cC"),
            ("%Uf-%Lg", b"3.CC-0af"),
            ("%Mf", md5(b"3.cC").hexdigest().encode()),
            ("%UXu%%%05u", b"12%00018"),
            ("%{uid | hex(8)}%{uidvalidity | hex(8)}", b"000000126553f100"),
            ("UID%{uid}-%{uidvalidity}", b"UID18-1700000000"),
            ("%{guid|upper}%{filename | lower }", b"0AF3.cc"),
        ]:
            self.assertEqual(self.ids(b"18 G0aF :3.cC\n", text), [(b"3.cC", expected)], text)
        self.assertEqual(self.ids(b"18 :3.cC\n", "%g"), [(b"3.cC", b"3.cC")])

    def test_wrongFormats(self) -> None:
        for text, sentence in [
            ("%m", "what '%m' in a pop3_uidl_format stands for is not in"),
            ("%u.%{md5}", "what '%{md5}' in"),
            ("%Hu", "what '%Hu' in"),
            ("%{uid | number}", "what '%{uid | number}' in"),
            ("x", "the pop3_uidl_format 'x' would give all messages one unique-id"),
            ("", "the pop3_uidl_format '' would give"),
        ]:
            error = self.assertRaises(SettingError, parseFormat, text)
            self.assertTrue(str(error).startswith(sentence), str(error))

    def test_oldVersion(self) -> None:
        octets = b"1 1700000000 20\n18 3.c:2,S\n"
        found = parseUidList(octets, "LIST", parseFormat("%v.%u"))
        self.assertEqual(list(found), [(b"3.c", b"1700000000.18")])

    def test_damaged(self) -> None:
        header = "LIST line 1 is no header of a dovecot-uidlist of version 1 or 3"
        line = "LIST line 2 is not a uid, fields and a file name"
        for octets, sentence in [
            (b"", header),
            (b"root:x:0\n", header),
            (b"3 N20\n", header),
            (b"3 Vx N20\n", header),
            (b"2 17 20\n", header),
            (HEADER + b"18 3.c\n", line),
            (HEADER + b"18 :\n", line),
            (HEADER + b":3.c\n", line),
            (HEADER + b"18 3 :3.c\n", line),
            (b"1 17 20\n18\n", line),
        ]:
            with self.assertRaises(SettingError) as raised:
                list(parseUidList(octets, "LIST", parseFormat("%u")))
            self.assertEqual(str(raised.exception), f"{sentence}; is it the right file, and whole?")


class CourierTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """As Courier's four versions made them."""
        for header, end in ((b"/2 7 1700000000", b""), (b"/3 7 1700000000", b":0")):
            lines = [
                b"1.a:2,S 512 3:1700000000" + end,
                b"2.b 512 4:0" + end,
                b"3+c'\"\xff:2, 512 0:0" + end,
                b"4 d 512 5:1600000000" + end,
            ]
            found = parseSizeList(b"\n".join([header, *lines, b""]), "LIST")
            self.assertEqual(
                list(found),
                [
                    (b"1.a", b"UID3-1700000000"),
                    (b"2.b", b"UID4"),
                    (b"3+c'\"\xff", b"3+2Bc+27+22+FF"),
                    (b"4 d", b"UID5-1600000000"),
                ],
            )

    def test_damaged(self) -> None:
        header = "LIST line 1 is no header of a courierpop3dsizelist of version 2 or 3"
        line = "LIST line 2 is not a file name, a size and a unique-id"
        for octets, sentence in [
            (b"", header),
            (b"/1 7\n", header),
            (b"1.a 512\n", header),
            (b"/2 7 17\n1.a 512\n", line),
            (b"/2 7 17\n1.a 512 3\n", line),
            (b"/2 7 17\n512 3:17\n", line),
        ]:
            with self.assertRaises(SettingError) as raised:
                list(parseSizeList(octets, "LIST"))
            self.assertTrue(str(raised.exception).startswith(sentence + ";"))


class TableTests(SynchronousTestCase):
    def test_names(self) -> None:
        octets = b'\xef\xbb\xbfunique-id,file\r\nA,1.a\r\n\r\n"B,b",/mail/cur/2.b:2,S\nC,"3\xff"\n'
        # The comma of its flags makes three of the second.
        with self.assertRaises(SettingError) as raised:
            list(parseTable(octets, "LIST"))
        self.assertIn(
            "LIST line 4 is not a unique-id, a comma and a file name", str(raised.exception)
        )
        octets = octets.replace(b"/mail/cur/2.b:2,S", b'"/mail/cur/2.b:2,S"')
        self.assertEqual(
            list(parseTable(octets, "LIST")),
            [(b"1.a", b"A"), (b"2.b:2,S", b"B,b"), (b"3\xff", b"C")],
        )

    def test_damaged(self) -> None:
        for octets, sentence in [
            (b"A\n", "LIST line 1 is not a unique-id, a comma and a file name"),
            (b"A,\n", "LIST line 1 is not a"),
            (b"A,1\nB,/\n", "LIST line 2 is not a"),
            (b'A,1\nB,"2\n', "LIST line 2 is no CSV (unexpected end of data)"),
        ]:
            with self.assertRaises(SettingError) as raised:
                list(parseTable(octets, "LIST"))
            self.assertTrue(str(raised.exception).startswith(sentence), str(raised.exception))


class ChooseTests(SynchronousTestCase):
    def test_choose(self) -> None:
        entries = [(b"1.a:2,S", b"A"), (b"2.b", b"B"), (b"3.c", b"C"), (b"1.a", b"A")]
        found = choose(entries, {b"1.a", b"2.b", b"4.d"})
        self.assertEqual((found.ids, found.gone), ({b"1.a": b"A", b"2.b": b"B"}, 1))
        self.assertEqual(found.doubts, [])

    def test_refused(self) -> None:
        """What RFC 1939 section 7 does not allow."""
        entries = [(b"1", b"x" * 71), (b"2", b"a b"), (b"3", b""), (b"4", b"x" * 70), (b"9", b"")]
        found = choose(entries, {b"1", b"2", b"3", b"4"})
        self.assertEqual((found.ids, found.gone), ({b"4": b"x" * 70}, 1))
        self.assertEqual(len(found.doubts), 1)
        self.assertTrue(found.doubts[0].startswith("3 unique-ids are none, b'xxx"))

    def test_twice(self) -> None:
        entries = [(b"1", b"A"), (b"2", b"A"), (b"1", b"B"), (b"3", b"B")]
        found = choose(entries, {b"1", b"2", b"3"})
        self.assertEqual(found.ids, {b"1": b"A", b"3": b"B"})
        self.assertEqual(len(found.doubts), 1)
        self.assertTrue(found.doubts[0].startswith("2 times a message has two unique-ids, or"))
