"""
The numbers of this process, taken when somebody asks.

Nothing is counted here: where something happens an integer goes up, and that is all it
costs there.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..auth.throttle import Throttle
from ..factory import POP3Factory
from ..hits import HITS
from ..limits import Limits, optionName
from ..operations.audit import Audit
from ..operations.auditfile import AuditFile
from ..operations.descriptors import descriptors
from ..operations.events import EVENTS
from ..operations.reasons import CROWDS, DELAYS, ENDS, OPERATIONS, REFUSALS
from ..operations.tally import Histogram
from ..pools import POOLS, Pool
from ..tls import ServerTLS
from .measures import DELAY_SECONDS
from .numbers import Taken, toJSON
from .reached import BY_POOLS, reached

# How often it is looked how late a timer is.
_DELAY_LOOKS = 1.0
_PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")
# A parent has them as its workers do, and never has work for them.
_SERVING_POOLS = frozenset(name for names in BY_POOLS.values() for name in names)


class Taking(Service):
    """
    What one serving process knows; it answers the question C{measures}. While it runs it
    also looks how late timers are.
    """

    def __init__(
        self,
        factories: Sequence[POP3Factory],
        audit: Audit,
        auditFile: AuditFile | None,
        certificates: Sequence[ServerTLS],
        throttle: Throttle,
        clock: IReactorTime,
        serves: bool = True,
    ) -> None:
        """
        @param factories: of all listeners; there may come more later.
        @param serves: else it is the parent of those that do, and has only what happens
            in it itself.
        """
        self._serves = serves
        self._factories = factories
        self._audit = audit
        self._auditFile = auditFile
        self._certificates = certificates
        self._throttle = throttle
        self._clock = clock
        self._began = time.time()
        self._delays = Histogram(DELAY_SECONDS)
        self._looking: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self._lookIn(_DELAY_LOOKS)

    def stopService(self) -> None:
        super().stopService()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def answer(self, argument: dict[str, Any]) -> dict[str, Any]:
        """@return: which process this is, and its numbers, for L{totals.Totals}."""
        taken = Taken()
        for take in (
            self._takeConnections,
            self._takeEvents,
            self._takeTally,
            self._takeLimits,
            self._takePools,
            self._takeProcess,
            self._takeCertificates,
        ):
            take(taken)
        taken.putHistogram("reactor_delay_seconds", self._delays)
        return {"pid": os.getpid(), "began": self._began, "numbers": toJSON(taken.numbers)}

    @property
    def _limits(self) -> Limits:
        return self._factories[0].limits

    def _takeConnections(self, taken: Taken) -> None:
        for name, each in byListener(self._factories):
            taken.put("connections", sum(len(one.connections) for one in each), name)
            taken.put("connections_accepted_total", sum(one.accepted for one in each), name)
        sessions = [one.loggedIn for each in self._factories for one in each.connections]
        taken.put("sessions", sum(sessions))

    def _takeEvents(self, taken: Taken) -> None:
        counts = self._audit.counts

        def of(event: str, reasons: Iterable[str]) -> dict[str, float]:
            return {each: counts.get(f"{event}/{each}", 0) for each in reasons}

        orderly = [name for name, each in ENDS.items() if not each.abuse]
        refused = of("connection-refused", CROWDS)
        refused["networks"] = counts.get("stranger-refused", 0)
        taken.putAll("connections_refused_total", refused)
        taken.putAll("sessions_ended_total", of("logout", ENDS))
        taken.putAll("strangers_ended_total", of("ended", orderly))
        taken.putAll("logins_refused_total", of("login-refused", REFUSALS))
        taken.putAll("throttled_total", of("throttled", DELAYS))
        taken.putAll("store_faults_total", of("store-fault", OPERATIONS))
        taken.putAll("abuse_total", of("abuse", [each for each in ENDS if each not in orderly]))
        taken.put("bans_total", counts.get("banned", 0))
        taken.put("checker_faults_total", counts.get("checker-fault", 0))
        taken.put("reloads_total", counts.get("reloaded", 0), "good")
        taken.put("reloads_total", counts.get("reload-failed", 0), "bad")
        events = Counter(dict.fromkeys(EVENTS, 0))
        for kind, count in counts.items():
            events[kind.partition("/")[0]] += count
        taken.put("faults_total", events["fault"])
        taken.putAll("events_total", events)
        taken.put("audit_lines_left_out_total", self._audit.sieve.guard.leftOut)
        taken.put("audit_lines_lost_total", self._auditFile.lost if self._auditFile else 0)

    def _takeTally(self, taken: Taken) -> None:
        tally = self._audit.tally
        for (mechanism, tls), count in tally.logins.items():
            taken.put("logins_total", count, mechanism, tls)
        taken.putAll("tls_handshakes_total", tally.handshakes)
        taken.put("retrieved_messages_total", tally.retrieved)
        taken.put("retrieved_octets_total", tally.retrievedOctets)
        taken.put("deleted_messages_total", tally.deleted)
        taken.putHistogram("session_duration_seconds", tally.sessionSeconds)
        taken.putHistogram("login_duration_seconds", tally.loginSeconds)

    def _takeLimits(self, taken: Taken) -> None:
        limits = self._limits
        for each in fields(limits):
            taken.put("limit", getattr(limits, each.name), optionName(each.name))
        for name, value in self._used(limits).items():
            taken.put("limit_used", value, optionName(name))
        for name, count in reached(self._audit.counts, HITS, POOLS).items():
            taken.put("limit_reached_total", count, optionName(name))

    def _used(self, limits: Limits) -> dict[str, int]:
        """Field -> how much of it is in use."""
        all_ = [one for each in self._factories for one in each.connections]
        near = Counter(one.network for one in all_)
        strangers = Counter(one.network for one in all_ if not one.loggedIn)
        # Those without a network, such as of UNIX sockets, are not bounded by it.
        del near[""], strangers[""]
        throttle = self._throttle
        threads = {
            "hashQueue": limits.hashThreads,
            "storeQueue": limits.storeThreads,
            "checkerQueue": limits.checkerThreads,
        }
        waiting = {
            name: max(0, max(_pending(pools), default=0) - threads[name])
            for name, pools in _poolsByLimit().items()
        }
        return {
            "connections": len(all_),
            "connectionsPerNetwork": max(near.values(), default=0),
            "loggingInPerNetwork": max(strangers.values(), default=0),
            "throttleEntries": max(
                len(throttle.networks), len(throttle.users), len(throttle.trusted)
            ),
            **waiting,
        }

    def _takePools(self, taken: Taken) -> None:
        pools: dict[str, list[Pool]] = {}
        for pool in POOLS:
            pools.setdefault(pool.name, []).append(pool)
        for name, each in pools.items():
            taken.put("pool_pending", sum(one.pending for one in each), name)
            if self._serves or name not in _SERVING_POOLS:
                taken.put("pool_bound", sum(one.most for one in each), name)
            taken.put("pool_refused_total", sum(one.refused for one in each), name)

    def _takeProcess(self, taken: Taken) -> None:
        if not self._serves:
            return
        taken.put("workers", 1)
        taken.put("workers_cpu_seconds_total", cpuSeconds())
        taken.put("workers_resident_bytes", residentOctets())
        taken.put("descriptors", len(os.listdir("/proc/self/fd")))
        taken.put("descriptors_bound", descriptors())

    def _takeCertificates(self, taken: Taken) -> None:
        for each in self._certificates:
            for pair in each.pairs:
                expires = pair.expires.timestamp()
                taken.put("certificate_expiry_timestamp_seconds", expires, pair.certificate)

    # How late timers are.

    def _lookIn(self, seconds: float) -> None:
        due = self._clock.seconds() + seconds
        self._looking = self._clock.callLater(seconds, self._look, due)

    def _look(self, due: float) -> None:
        self._delays.observe(max(0.0, self._clock.seconds() - due))
        self._lookIn(_DELAY_LOOKS)


def byListener(factories: Sequence[POP3Factory]) -> list[tuple[str, list[POP3Factory]]]:
    """@return: the names of listeners, and the factories of each."""
    found: dict[str, list[POP3Factory]] = {}
    for each in factories:
        found.setdefault(each.name, []).append(each)
    return list(found.items())


def cpuSeconds() -> float:
    """What this process and those it has started have used of a core so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def residentOctets() -> int:
    """How much memory this process holds."""
    # In octets: an encoding may have to be imported, and root's privileges are gone by now.
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_OCTETS


def _poolsByLimit() -> dict[str, list[Pool]]:
    return {
        name: [pool for pool in POOLS if pool.name in names] for name, names in BY_POOLS.items()
    }


def _pending(pools: Sequence[Pool]) -> list[int]:
    return [pool.pending for pool in pools]
