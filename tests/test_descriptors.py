"""L{pop3svc.operations.descriptors}: how many, for how many, and whether any are left."""

import errno
import os
import resource

from twisted.trial.unittest import SkipTest, TestCase

from pop3svc.limits import Limits
from pop3svc.operations import descriptors
from pop3svc.operations.descriptors import descriptorsLeft, fitted, raiseDescriptors

_DUP = os.dup


class DescriptorTests(TestCase):
    def setUp(self) -> None:
        # Both are opened once, whenever one is first needed, and this process may not
        # have needed one of them yet.
        descriptors._listing()
        descriptors._original()

    def test_fitted(self) -> None:
        """Three for each connection and a hundred for us; at the edge it is enough."""
        limits = Limits(connections=300)
        self.assertEqual(fitted(limits, 1000), (limits, ""))
        fewer, sentence = fitted(limits, 999)
        self.assertEqual(fewer, Limits(connections=299))
        self.assertEqual(
            sentence,
            "300 connections need 1000 file descriptors, and 999 are allowed: 299 will be served"
            " at once; allow more (LimitNOFILE= of systemd, minfds of supervisor, ulimit -Hn),"
            " or set connections=299",
        )

    def test_hardlyAny(self) -> None:
        """One can be served whatever there is."""
        for few in (0, 100, 105):
            self.assertEqual(fitted(Limits(), few)[0].connections, 1)
        self.assertEqual(fitted(Limits(), 106)[0].connections, 2)

    def test_raised(self) -> None:
        """The soft limit becomes the hard one, but no sillier than systemd's own."""
        asked: list[tuple[int, int]] = []
        self.patch(resource, "setrlimit", lambda _, pair: asked.append(pair))
        for soft, hard, expected in (
            (1024, 4096, [(4096, 4096)]),
            (4096, 4096, []),
            (1024, 1 << 30, [(524_288, 1 << 30)]),
            (1 << 30, 1 << 30, []),
            (1024, resource.RLIM_INFINITY, [(524_288, resource.RLIM_INFINITY)]),
            (resource.RLIM_INFINITY, resource.RLIM_INFINITY, []),
        ):
            asked.clear()
            pair = (soft, hard)
            self.patch(resource, "getrlimit", lambda _, pair=pair: pair)
            raiseDescriptors()
            self.assertEqual(asked, expected, pair)

    def test_left(self) -> None:
        """Exactly as many as the kernel still gives, and they are given back."""
        self.patch(descriptors, "_taken", lambda: 0)
        for free in (0, 1, 7, 8):
            made: list[int] = []

            def dup(original: int, free: int = free, made: list[int] = made) -> int:
                if len(made) == free:
                    raise OSError(errno.EMFILE, "no more")
                made.append(_DUP(original))
                return made[-1]

            self.patch(os, "dup", dup)
            self.assertEqual(descriptorsLeft(8), free)
            for each in made:
                self.assertRaises(OSError, os.fstat, each)

    def test_enough(self) -> None:
        for taken in (descriptors._taken, lambda: 0):
            self.patch(descriptors, "_taken", taken)
            before = os.listdir("/proc/self/fd")
            self.assertEqual(descriptorsLeft(8), 8)
            self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_bound(self) -> None:
        """Whether they are counted or tried, it is the kernel's bound that decides."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # Not the one that listing them takes, which may be any that is free.
        listed = map(int, os.listdir("/proc/self/fd"))
        taken = [number for number in listed if os.path.exists(f"/proc/self/fd/{number}")]
        holes = max(taken) + 1 - len(taken)
        for free in range(holes, holes + 10):
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(taken) + free, hard))
            left = [descriptorsLeft(most) for most in (1, 8, free, free + 1)]
            self.assertEqual(left, [min(1, free), min(8, free), free, free])

    def test_counted(self) -> None:
        """Without opening any, where the kernel tells."""
        if not descriptors._taken():
            raise SkipTest("this kernel does not tell how many are open")
        self.patch(os, "dup", lambda _: self.fail("one was opened"))
        self.assertEqual(descriptorsLeft(8), 8)

    def test_fork(self) -> None:
        """A child counts its own."""
        if not descriptors._taken():
            raise SkipTest("this kernel does not tell how many are open")
        child = os.fork()
        if not child:
            status = 1
            try:
                os.pipe()
                taken = descriptors._taken()
                # Listing them takes one itself.
                status = int(len(os.listdir("/proc/self/fd")) - 1 != taken)
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_noProc(self) -> None:
        """In a cage without /proc they are tried."""
        self.patch(descriptors, "_listing", lambda: os.open("/nowhere/fd", os.O_RDONLY))
        self.assertEqual(descriptors._taken(), 0)
        self.assertEqual(descriptorsLeft(8), 8)
