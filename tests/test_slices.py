"""L{pop3svc.maildrops.slices}: long work, a slice at a time."""

from __future__ import annotations

import time

from twisted.trial.unittest import TestCase

from pop3svc.maildrops.slices import SHORT_SECONDS, Slices, runSlices
from pop3svc.pools import Pool, PoolFull


class SlicesTests(TestCase):
    def setUp(self) -> None:
        self.pool = Pool("tests", 1, 1)
        self.addCleanup(self.pool._stop)
        self.calls = 0
        run = self.pool.run

        def counting(*args: object) -> object:
            self.calls += 1
            return run(*args)  # type: ignore[arg-type]

        self.pool.run = counting  # type: ignore[assignment, method-assign]

    def work(self, count: int, seconds: float) -> Slices[str]:
        for _ in range(count):
            time.sleep(seconds)
            yield
        return "done"

    async def test_short(self) -> None:
        """What is done in no time is one call."""
        self.patch(time, "monotonic", lambda: 7.0)
        self.assertEqual(await runSlices(self.pool, self.work(50, 0)), "done")
        self.assertEqual(self.calls, 1)

    async def test_long(self) -> None:
        """What takes its time lets others in, after each slice."""
        self.assertEqual(await runSlices(self.pool, self.work(3, 2 * SHORT_SECONDS)), "done")
        self.assertEqual(self.calls, 4)

    async def test_noPlace(self) -> None:
        """The work is closed, and knows it."""
        closed = []

        def work() -> Slices[None]:
            try:
                yield
            finally:
                closed.append(True)

        self.pool.resize(0, 0)
        slices = work()
        next(slices)
        with self.assertRaises(PoolFull):
            await runSlices(self.pool, slices)
        self.assertEqual(closed, [True])
