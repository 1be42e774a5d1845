"""
What is kept in C{tests/fuzz/corpus}: known attacks, and all that was ever found. Each is
checked just as it is.
"""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .bodies import Bodies, adversarial, blocks
from .case import CORPUS, Case, corpus, read, write
from .naiveworld import linesOf
from .targets import COUNTS, named

# Rows of the table of attacks that are about what a client sends before and after
# login, and about STLS.
_ROWS = {*range(1, 15), 16, 17, 26, 28, 38, 44} - {15}
_SIZES = (1, 2, 3, 17, 511, 512, 4096, 16_384, 43_690, 65_536, 70_000)


class CorpusTests(SynchronousTestCase):
    def test_everyCase(self) -> None:
        for make, _, _ in COUNTS:
            target = make()
            for path in sorted((CORPUS / target.name).glob("*.txt")):
                with self.subTest(path.name):
                    target.check(read(path))

    def test_everyAttack(self) -> None:
        """Each row of the threat model that can be sent has its cases."""
        names = [path.name for path in (CORPUS / "stream").glob("row*.txt")]
        self.assertEqual({int(name[3:5]) for name in names}, _ROWS)

    def test_everyCaseIsInTheFolderOfItsTarget(self) -> None:
        for path in CORPUS.glob("*/*.txt"):
            self.assertEqual(named(read(path).target).name, path.parent.name)
            self.assertTrue(path.read_text("ascii").startswith("# "), f"{path.name}: say why")

    def test_writtenAndRead(self) -> None:
        """A case comes back as it was, whatever octets are in it."""
        case = Case(
            "stream",
            (b"", bytes(range(256)), b"x" * 90_000 + b"\r\n'\"\\ * 3", b"\n" * 64, b"y" * 63),
            "7/12",
            {"secure": False, "held": ["open"]},
        )
        path = Path(self.mktemp())
        write(case, path, "a line\nand anöther")
        self.assertEqual(read(path), case)
        self.assertLess(path.stat().st_size, 2000)

    def test_nothingElseIsRead(self) -> None:
        """A corpus is data: no expression of Python's but sums of octets."""
        for text in ("__import__('os').system('true')", "b'a' * 2 ** 9", "'a'", "b'a' - b'b'"):
            path = Path(self.mktemp())
            path.write_text(f"{text}\n")
            with self.assertRaises(ValueError):
                read(path)


class AdversarialBodyTests(SynchronousTestCase):
    """Octet for octet, in blocks of all kinds of sizes, and TOP with all counts."""

    def test_whole(self) -> None:
        bodies = list(adversarial())
        self.assertGreaterEqual(len(bodies), 80)
        for name, stored in bodies:
            for size in _SIZES:
                # Small blocks of the largest would only take long.
                if len(stored) <= size * 2000 and (len(stored) < 2**20 or size == 43_690):
                    with self.subTest(f"{name}, by {size}"):
                        case = Case("bodies", blocks(stored, size), plan={"block": size})
                        Bodies().check(case)

    def test_top(self) -> None:
        """With each number of lines up to all there are, and more."""
        for name, stored in adversarial():
            count = len(linesOf(stored))
            if len(stored) > 100_000:
                continue
            for top in {*range(min(count, 30) + 2), count - 1, count, count + 1, 9_999_999_999}:
                with self.subTest(f"{name}, TOP {top}"):
                    for size in (1 if len(stored) < 500 else 999, 65_536):
                        plan = {"block": size, "top": max(0, top)}
                        Bodies().check(Case("bodies", blocks(stored, size), plan=plan))


class CorpusFolderTests(SynchronousTestCase):
    def test_enough(self) -> None:
        """What a fuzzer begins with decides how far it gets."""
        self.assertGreaterEqual(len(corpus("stream")), 45)
