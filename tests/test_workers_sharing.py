"""L{pop3svc.workers.sharing}."""

from dataclasses import fields

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.limits import Limits
from pop3svc.workers.sharing import DIVIDED, shareOf


class SharingTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """Together they are as much as was asked for, or a little more."""
        limits = Limits(hashThreads=5, rememberedOctets=0, storeQueue=1)
        share = shareOf(limits, 3)
        self.assertEqual(
            (share.hashThreads, share.rememberedOctets, share.storeQueue, share.checkerThreads),
            (2, 0, 1, 3),
        )
        for each in fields(Limits):
            if each.name not in DIVIDED:
                self.assertEqual(getattr(share, each.name), getattr(limits, each.name))

    def test_oneWorker(self) -> None:
        self.assertEqual(shareOf(Limits(), 1), Limits())
