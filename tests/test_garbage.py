"""
L{pop3svc.operations.garbage}: what the collector no longer looks at.
"""

from __future__ import annotations

import gc
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.operations.audit import Audit
from pop3svc.operations.garbage import setAside
from pop3svc.operations.notify import Notifier
from pop3svc.options import Options
from pop3svc.workers.duties import WorkersService


class Thing:
    """Something that the collector follows."""


class GarbageTests(SynchronousTestCase):
    def test_setAside(self) -> None:
        """What there was is set aside; what comes later is collected as ever."""
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        early = Thing()
        setAside()
        late = Thing()
        followed = gc.get_objects()
        found = [any(each is thing for each in followed) for thing in (early, late)]
        self.assertEqual(found, [False, True])

    def test_seldom(self) -> None:
        """A login leaves a few hundred things that are new, and none looks at all each time."""
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        _, *older = gc.get_threshold()
        setAside()
        self.assertEqual(gc.get_threshold(), (10_000, *older))

    def test_workers(self) -> None:
        """Those who serve are spared it as well, though twistd's options are their parent's."""
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        gc.unfreeze()
        service = WorkersService(Options(), [], False, Audit())
        service.notifier = Notifier(Clock())
        with mock.patch("pop3svc.serving.handleSignals"):
            service._serve(Clock())
        self.assertGreater(gc.get_freeze_count(), 0)
