"""
L{pop3svc.operations.garbage}: what the collector no longer looks at.
"""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.operations.garbage import setAside


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
