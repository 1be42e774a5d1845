"""L{pop3svc.pools}: bounded threads."""

from __future__ import annotations

import os
import threading

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from pop3svc.pools import Pool, PoolFull


class PoolTests(TestCase):
    def setUp(self) -> None:
        self.pool = Pool("tests", 1, 1)
        self.gate = threading.Event()
        self.addCleanup(self.pool._stop)
        self.addCleanup(self.gate.set)

    def wait(self) -> str:
        """Hold a thread until the test opens the gate."""
        self.gate.wait(10)
        return threading.current_thread().name

    async def test_result(self) -> None:
        """Work runs in another thread and gives back what it returns."""
        self.gate.set()
        name = await self.pool.run(self.wait)
        self.assertNotEqual(name, threading.current_thread().name)
        self.assertIn("tests", name)
        self.assertEqual(self.pool.pending, 0)
        self.assertEqual(await self.pool.run(divmod, 7, 2), (3, 1))

    async def test_modest(self) -> None:
        """Threads that burn the processor give way; the reactor's own does not."""

        def niceness() -> int:
            return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

        modest = Pool("modest", 1, 1, modest=True)
        self.addCleanup(modest._stop)
        here = niceness()
        self.assertEqual(await modest.run(niceness), 10)
        self.assertEqual(await self.pool.run(niceness), here)
        self.assertEqual(niceness(), here)

    async def test_modestyForbidden(self) -> None:
        """A filter of system calls that forbids it does not end the thread."""

        def forbidden(*args: int) -> None:
            raise PermissionError

        self.patch(os, "setpriority", forbidden)
        modest = Pool("modest", 1, 1, modest=True)
        self.addCleanup(modest._stop)
        self.assertEqual(await modest.run(divmod, 7, 2), (3, 1))

    async def test_failure(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            await self.pool.run(divmod, 7, 0)
        self.assertEqual(self.pool.pending, 0)

    async def test_bound(self) -> None:
        """One runs, one waits, one more fails at once and takes no place."""
        work = [self.pool.run(self.wait), self.pool.run(self.wait)]
        self.assertEqual(self.pool.pending, 2)
        self.failureResultOf(self.pool.run(self.wait), PoolFull)
        self.assertEqual(self.pool.pending, 2)
        self.gate.set()
        await gatherResults(work)
        self.assertEqual(self.pool.pending, 0)
        await self.pool.run(self.wait)

    async def test_resize(self) -> None:
        """A new bound holds at once, for threads and for waiting work."""
        work = [self.pool.run(self.wait), self.pool.run(self.wait)]
        self.pool.resize(2, 1)
        work.append(self.pool.run(self.wait))
        self.failureResultOf(self.pool.run(self.wait), PoolFull)
        self.gate.set()
        self.assertEqual(len(set(await gatherResults(work))), 2)

    async def test_cancelIsWaitedFor(self) -> None:
        """A thread cannot be called back: its place stays taken and its result arrives."""
        work = self.pool.run(self.wait)
        work.cancel()
        self.assertNoResult(work)
        self.assertEqual(self.pool.pending, 1)
        self.gate.set()
        self.assertIn("tests", await work)

    async def test_cancelledCoroutineGoesOn(self) -> None:
        """The same for a coroutine that waits for a thread."""

        async def use() -> str:
            return await self.pool.run(self.wait)

        using = Deferred.fromCoroutine(use())
        using.cancel()
        self.assertNoResult(using)
        self.gate.set()
        self.assertIn("tests", await using)

    async def test_ended(self) -> None:
        """After the end of the reactor's work, more work fails instead of hanging."""
        self.gate.set()
        await self.pool.run(self.wait)
        self.pool._stop()
        self.failureResultOf(self.pool.run(self.wait), PoolFull)
