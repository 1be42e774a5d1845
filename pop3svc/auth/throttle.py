"""
Password attacks: whose password is checked when.

Nothing here looks at a clock or waits: the time is an argument, and
L{pop3svc.auth.turnstile} does the waiting.

Every attempt waits in the line of its network until its turn. A network that owes
nothing has its turn at once, a few attempts at a time. For each wrong password
it owes, and the more it owes the farther apart are its turns; those that are being
checked are taken for wrong until they are known to be right, so that attempts side
by side get no further than one after the other. What is owed halves with time.

Where a user has logged in lately the password is checked I{early}, before its
turn: if it is right that is all. If it is wrong it waits for its turn like any
other, so that nobody sees a difference.

A user whose password many guess at, wherever from, is checked more strictly from
networks where that user has not been; but never held up on that account alone.
"""

from __future__ import annotations

import math
from hashlib import blake2b

from ..limits import Limits
from .attempts import Network, Pair, Ticket, Verdict
from .debts import Debt, RecentTable

# Below this nothing is left to be paid for: it is a single slip, a while ago.
_LEAST_DEBT = 0.5

# Whoever owes so much in all places together is under attack.
_ATTACKED_DEBT = 8.0

# How many early checks may be wrong, or not known yet, for a user in a network and
# for all users there: a neighbour of the user must not guess faster than others.
_EARLY_PER_USER = 3
_EARLY_PER_NETWORK = 20

# A refusal that costs nothing would be asked for a thousand times a second.
_BANNED_SECONDS = 1.0

# Longer names are not kept as they are: they come from anybody, and take memory.
_NAME_OCTETS = 64


class Throttle:
    """
    What is known about networks and users.

    @ivar limits: those in force.
    @ivar changes: how often something was learned that is worth keeping.
    @ivar networks: by their names.
    @ivar users: what each owes, in all networks together; in small letters, because
        checkers may not tell them apart.
    @ivar trusted: user and network -> when the user logged in there last.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.changes = 0
        self.networks: RecentTable[str, Network] = RecentTable(Network, lambda each: each.inUse)
        self.users: RecentTable[bytes, Debt] = RecentTable(Debt, lambda each: False)
        # Tables of their own: no number of failures throws a success out.
        self.trusted: RecentTable[tuple[bytes, str], list[float]] = RecentTable(
            lambda: [-math.inf], lambda each: False
        )
        self._pairs: RecentTable[tuple[bytes, str], Pair] = RecentTable(Pair, lambda each: False)

    def enter(self, now: float, network: str, name: bytes, secret: bytes | None) -> Ticket:
        """
        Somebody wants to log in.

        @param network: as L{pop3svc.peers.networkOf} names it.
        @param name: as typed.
        @param secret: a keyed digest of the password, or C{None}.
        @return: a ticket, which C{leave} takes back in any case.
        """
        here = self.networks.touch(network, self.limits.throttleEntries)
        ticket = Ticket(network, short(name), short(name.lower()), secret)
        ticket.early = self._mayBeEarly(now, here, ticket)
        if ticket.early:
            here.openEarly[ticket.user] += 1
        if self._banned(now, here):
            ticket.refused = ticket.why = "banned"
            ticket.delay = _BANNED_SECONDS
        elif not self._pace(now, here, ticket):
            here.waiting[ticket] = None
        elif here.crowd >= self.limits.attemptsWaiting:
            ticket.refused = ticket.why = "crowded"
            ticket.delay = float(self.limits.penaltySecondsMost)
        else:
            ticket.delay = self._foreseen(now, here, ticket)
            ticket.why = "network" if self._penalty(self._debt(now, here)) else "user"
            here.waiting[ticket] = None
        return ticket

    def next(self, now: float, network: str) -> tuple[float, Ticket] | None:
        """
        @return: whose turn it is next and in how many seconds, which is infinity
            when first something else has to end; C{None} if nobody waits.
        """
        here = self.networks.get(network)
        if here is None or not here.waiting:
            return None
        soonest = math.inf, next(iter(here.waiting))
        if len(here.checking) >= self.limits.attemptsAtOnce:
            return soonest
        for each in here.waiting:
            seconds = self._left(now, here, self._pace(now, here, each))
            if not seconds:
                # Behind a UNIX socket there may be a thousand others.
                return seconds, each
            if seconds < soonest[0]:
                soonest = seconds, each
        return soonest

    def begin(self, now: float, ticket: Ticket) -> None:
        """Its turn has come."""
        here = self._networkOf(ticket)
        del here.waiting[ticket]
        here.checking[ticket] = now

    def leave(self, now: float, ticket: Ticket, verdict: Verdict, hurried: bool = False) -> bool:
        """
        An attempt is over. Called once for each ticket.

        @param hurried: the peer has hung up before its turn, so that it might try
            the next at once. Then the same wrong password counts each time.
        @return: whether its network is banned for it.
        """
        here = self._networkOf(ticket)
        here.waiting.pop(ticket, None)
        began = here.checking.pop(ticket, None)
        if ticket.early:
            here.openEarly[ticket.user] -= 1
            if here.openEarly[ticket.user] <= 0:
                del here.openEarly[ticket.user]
        self.changes += verdict is not Verdict.UNKNOWN
        if verdict is Verdict.RIGHT:
            self._forgive(now, here, ticket)
            return False
        if verdict is Verdict.WRONG or began is not None:
            here.lastWrong = max(here.lastWrong, now if began is None else began)
        return verdict is Verdict.WRONG and self._count(now, here, ticket, hurried)

    # For those who let pass by themselves whoever need not wait.

    def strictUntil(self, now: float, network: str) -> float:
        """
        @return: until when attempts of this network are paced or refused, if no other
            fails or is forgiven meanwhile; 0 or a time that is over if they are not.
        """
        here = self.networks.get(network)
        if here is None:
            return 0.0
        until = self._paidBy(now, self._debt(now, here), _LEAST_DEBT)
        return max(until, here.bannedUntil) if self._banned(now, here) else until

    def attackedUntil(self, now: float, user: bytes) -> float:
        """
        @param user: in small letters, as in a L{Ticket}.
        @return: until when this user is under attack, as L{strictUntil}.
        """
        debt = self.users.get(user)
        owed = debt.owed(now, self.limits.forgetSeconds) if debt else 0.0
        return self._paidBy(now, owed, _ATTACKED_DEBT)

    def _paidBy(self, now: float, owed: float, least: float) -> float:
        """@return: when less than the least is owed."""
        if owed < least or not self.limits.penaltySecondsMost:
            return 0.0
        return now + self.limits.forgetSeconds * math.log2(owed / least)

    # What comes of a verdict.

    def _forgive(self, now: float, here: Network, ticket: Ticket) -> None:
        """What the user owes in this network; what others owe there stays."""
        key, halfLife = (ticket.user, ticket.network), self.limits.forgetSeconds
        self.trusted.touch(key, self.limits.throttleEntries)[0] = now
        pair, user = self._pairs.drop(key), self.users.get(ticket.anyCase)
        if pair is not None:
            owed = pair.debt.owed(now, halfLife)
            here.debt.add(now, halfLife, -owed)
            if user is not None:
                user.add(now, halfLife, -owed)

    def _count(self, now: float, here: Network, ticket: Ticket, hurried: bool) -> bool:
        """@return: the network is banned for it."""
        limits, halfLife = self.limits, self.limits.forgetSeconds
        pair = self._pairs.touch((ticket.user, ticket.network), limits.throttleEntries)
        news = pair.news(ticket.secret, now, halfLife)
        amount = 1.0 if hurried else news
        debts = [here.debt, pair.debt]
        if ticket.early:
            debts.append(here.early)
        if ticket.user:
            # A token may come without a name; that is no user under attack.
            debts.append(self.users.touch(ticket.anyCase, limits.throttleEntries))
        for debt in debts:
            debt.add(now, halfLife, amount)
        if not 0 <= now - here.strikesSince < limits.banSeconds:
            here.strikes, here.strikesSince = 0.0, now
        here.strikes += amount
        if not limits.banFailures or here.strikes < limits.banFailures:
            return False
        here.strikes, here.bannedUntil = 0.0, now + limits.banSeconds
        return True

    # When a turn comes.

    def _left(self, now: float, here: Network, pace: float) -> float:
        """@return: of so many seconds since the last turn, those that are left."""
        # Clocks may be set back: nothing began later than now.
        here.lastWrong = min(now, here.lastWrong)
        last = max(here.lastWrong, *here.checking.values(), -math.inf)
        return max(0.0, min(pace, last + pace - now))

    def _pace(self, now: float, here: Network, ticket: Ticket, more: int = 0) -> float:
        """
        @param more: how many others will be checked before, and are taken for wrong.
        @return: how many seconds must lie between the last turn and this one.
        """
        debt = self._debt(now, here)
        if self._isAttacked(now, ticket):
            debt += 1
        if not self._penalty(debt):
            return 0.0
        return self._penalty(debt + len(here.checking) + more)

    def _foreseen(self, now: float, here: Network, ticket: Ticket) -> float:
        """Where attempts are paced: if all before it are wrong."""
        ahead = len(here.waiting)
        paces = [self._pace(now, here, ticket, more) for more in range(ahead + 1)]
        return self._left(now, here, paces[0]) + sum(paces[1:])

    def _penalty(self, debt: float) -> float:
        if debt < _LEAST_DEBT:
            return 0.0
        # 2.0 ** 1024 would be too large for a float.
        return min(float(self.limits.penaltySecondsMost), 2.0 ** min(debt - 1, 64))

    def _debt(self, now: float, here: Network) -> float:
        return here.debt.owed(now, self.limits.forgetSeconds)

    # Who is treated in another way.

    def _banned(self, now: float, here: Network) -> bool:
        left = here.bannedUntil - now
        return bool(self.limits.banFailures) and 0 < left <= self.limits.banSeconds

    def _isAttacked(self, now: float, ticket: Ticket) -> bool:
        debt = self.users.get(ticket.anyCase)
        return debt is not None and debt.owed(now, self.limits.forgetSeconds) >= _ATTACKED_DEBT

    def _mayBeEarly(self, now: float, here: Network, ticket: Ticket) -> bool:
        key, halfLife = (ticket.user, ticket.network), self.limits.forgetSeconds
        since = self.trusted.get(key)
        if since is None or now - since[0] >= self.limits.trustedSeconds:
            return False
        pair = self._pairs.get(key)
        owed = pair.debt.owed(now, halfLife) if pair else 0.0
        inAll = here.early.owed(now, halfLife) + here.openEarly.total()
        return (
            round(owed) + here.openEarly[ticket.user] < _EARLY_PER_USER
            and inAll < _EARLY_PER_NETWORK
        )

    def _networkOf(self, ticket: Ticket) -> Network:
        here = self.networks.get(ticket.network)
        # It is in use as long as somebody holds a ticket, but for one refused.
        return Network() if here is None else here


def short(name: bytes) -> bytes:
    """@return: a form of a name that may be kept."""
    return name if len(name) <= _NAME_OCTETS else blake2b(name, digest_size=32).digest()
