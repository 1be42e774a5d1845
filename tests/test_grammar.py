"""L{pop3svc.core.grammar}: what is a command, a number, a name."""

from twisted.trial.unittest import TestCase

from pop3svc.core import grammar
from pop3svc.core.grammar import BadSyntax, Line, parseLine


class ParseLineTests(TestCase):
    def test_keywordInCapitals(self) -> None:
        for line in (b"retr 1", b"RETR 1", b"ReTr 1"):
            self.assertEqual(parseLine(line), Line(b"RETR", b"1"))

    def test_argumentIsAllBehindTheFirstSpace(self) -> None:
        self.assertEqual(parseLine(b"PASS  two  words "), Line(b"PASS", b" two  words "))
        self.assertEqual(parseLine(b"NOOP"), Line(b"NOOP", b""))
        self.assertEqual(parseLine(b""), Line(b"", b""))

    def test_onlyPrintableASCII(self) -> None:
        for octet in (*range(0x20), *range(0x7F, 0x100)):
            with self.assertRaises(BadSyntax):
                parseLine(b"PASS sec" + bytes([octet]) + b"ret")
        for octet in range(0x20, 0x7F):
            parseLine(b"PASS " + bytes([octet]))


class ShapeTests(TestCase):
    def test_messageNumbers(self) -> None:
        for shape in (grammar.NUMBER, grammar.OPTIONAL_NUMBER):
            self.assertEqual(shape.parse(b"1"), (1,))
            self.assertEqual(shape.parse(b" 17 "), (17,))
            self.assertEqual(shape.parse(b"9999999999"), (9999999999,))
            for wrong in (
                *(b"0", b"-1", b"+1", b"01", b"1_0", b"1.", b"1 2", b"x", b"0x1", b"1e1"),
                *(b"10000000000", "\N{ARABIC-INDIC DIGIT ONE}".encode(), b"1\n", b"%d" % 2**64),
            ):
                self.assertIsNone(shape.parse(wrong), wrong)
        self.assertIsNone(grammar.NUMBER.parse(b""))
        self.assertEqual(grammar.OPTIONAL_NUMBER.parse(b""), (None,))
        self.assertEqual(grammar.OPTIONAL_NUMBER.parse(b" "), (None,))

    def test_numberAndLines(self) -> None:
        parse = grammar.NUMBER_AND_LINES.parse
        self.assertEqual(parse(b"1 0"), (1, 0))
        self.assertEqual(parse(b"3  99999999 "), (3, 99999999))
        for wrong in (b"", b"1", b"0 1", b"1 -1", b"1 00", b"1 2 3", b"1 99999999999"):
            self.assertIsNone(parse(wrong), wrong)

    def test_nothing(self) -> None:
        self.assertEqual(grammar.NOTHING.parse(b""), ())
        self.assertEqual(grammar.NOTHING.parse(b"  "), ())
        self.assertIsNone(grammar.NOTHING.parse(b"x"))

    def test_nameAndText(self) -> None:
        self.assertEqual(grammar.NAME.parse(b" karl "), (b"karl",))
        self.assertIsNone(grammar.NAME.parse(b" "))
        self.assertEqual(grammar.TEXT.parse(b" spaces count "), (b" spaces count ",))
        self.assertIsNone(grammar.TEXT.parse(b""))

    def test_language(self) -> None:
        parse = grammar.OPTIONAL_LANGUAGE.parse
        self.assertEqual(parse(b""), (b"",))
        self.assertEqual(parse(b"de-AT"), (b"de-AT",))
        self.assertIsNone(parse(b"x y"))
        self.assertIsNone(parse(b"a" * 41))
