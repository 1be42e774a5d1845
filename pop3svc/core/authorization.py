"""
AUTHORIZATION (RFC 1939 section 4): all that may be said before somebody is in.

Each way to log in is an exchange of L{sasl}; for USER and APOP it is one that
makes its claim at once. Whatever an exchange is, it ends with the login.
"""

from __future__ import annotations

from collections.abc import Callable

from ..limits import Limits
from . import replies
from .apop import timestamp
from .capabilities import Situation, mechanismNames, mechanismWithheld
from .effects import (
    CheckClaim,
    Claim,
    DigestClaim,
    Disconnect,
    Effects,
    FetchVerifier,
    PasswordClaim,
    Reply,
    StartTLS,
)
from .marks import Messages
from .mechanisms import MECHANISMS
from .replies import Refusal, err, ok
from .sasl import BadAnswer, Challenge, Context, Exchange, decode
from .scram import Verifier
from .states import AFTER_LOGIN, State

_CANCELLED = b"login cancelled"


class Authorization:
    """
    The part of a Session that comes first.

    @ivar state: where it is; L{states} says what that allows.
    @ivar situation: what may be done here; the driver sets it anew when a TLS
        handshake has told more about the peer.
    @ivar withheld: the way to log in that was asked for last and is not offered here:
        a keyword or a mechanism of ours; empty for none.
    """

    withheld = ""

    def __init__(
        self,
        situation: Situation,
        limits: Limits,
        random: Callable[[int], bytes],
        version: bytes = b"",
        before: Authorization | None = None,
    ) -> None:
        """
        @param random: gives so many octets that nobody can foretell.
        @param version: our version number, which CAPA tells after login.
        @param before: the session that STLS ended. All that the client said in
            it is forgotten (RFC 2595 section 4). What it has used up stays
            used up, or STLS would buy an attacker new attempts; and the
            timestamp stays that of the greeting, because there is no other.
        """
        self.state = State.AUTHORIZATION
        self.situation = situation
        self._limits = limits
        self._random = random
        self._version = version
        self._name = b""
        self._badCommands = self._refusals = 0
        self._timestamp = timestamp(random, situation.host) if situation.apop else b""
        if before is not None:
            self._badCommands, self._refusals = before._badCommands, before._refusals
            self._timestamp = before._timestamp
        self._exchange: Exchange | None = None
        self._readOnly = False
        self._outcome: Refusal | Messages | None = None

    # What the driver calls.

    def greet(self) -> Effects:
        """
        The greeting of a new connection. No C{<...@...>} stands in it unless
        APOP is offered: Thunderbird takes that for the offer.
        """
        return [Reply(ok(b" ".join([b"pop3svc ready", self._timestamp]).rstrip()))]

    def verifierFetched(self, verifier: Verifier) -> Effects:
        """
        @param verifier: the user's, or for an unknown user one that looks the
            same.
        """
        self._checkState(self.state is State.LOOKUP)
        return self._goOn(verifier)

    def authenticated(self, messages: Messages, readOnly: bool = False) -> Effects:
        """
        The claim was good, and the maildrop is open.

        @param messages: its listing, which no longer changes.
        @param readOnly: whoever logged in this way may not delete.
        """
        self._checkState(self.state is State.CLAIMED)
        self._readOnly = readOnly
        self._outcome = messages
        return self._goOn(None)

    def refused(self, why: Refusal) -> Effects:
        """
        The claim was not good, or the maildrop could not be opened, or a
        verifier could not be fetched.
        """
        self._checkState(self.state in (State.LOOKUP, State.CLAIMED))
        if why is Refusal.WRONG:
            self._refusals += 1
        self._outcome = why
        if self.state is State.LOOKUP:
            return self._conclude()
        return self._goOn(why)

    def injected(self) -> Effects:
        """
        Something was sent behind STLS in the clear. An attacker on the path
        could have put it there, to have it executed inside TLS.
        """
        return [Reply(err(b"nothing may follow STLS before TLS")), *self._end("tls-injection")]

    # The commands, by the table in states.

    def do_USER(self, name: bytes) -> Effects:
        self._name = name
        self.state = State.NAMED
        # The same for each name: it tells nothing about which users exist.
        return [Reply(ok(b"send PASS"))]

    def do_PASS(self, password: bytes) -> Effects:
        name, self._name = self._name, b""
        return self._claim(PasswordClaim("USER", name, password))

    def do_APOP(self, name: bytes, digest: bytes) -> Effects:
        return self._claim(DigestClaim("APOP", name, self._timestamp, digest))

    def do_AUTH(self, name: bytes, response: bytes | None) -> Effects:
        """@param response: the initial one, in base64 (RFC 5034 section 4)."""
        if not name:
            listing = b"".join(each + b"\r\n" for each in mechanismNames(self.situation))
            return [Reply(ok(b"mechanisms follow") + listing + replies.END)]
        refusal = mechanismWithheld(name, self.situation)
        if refusal is not None:
            # What a client calls a mechanism may as well be its password.
            self.withheld = name.decode() if name in MECHANISMS else "AUTH"
            return [Reply(refusal)]
        mechanism = MECHANISMS[name]
        binds = any(each.binding for each in self.situation.mechanisms)
        context = Context(self.situation, self._limits.commandOctets, self._random, binds)
        effects = self._begin(mechanism(context).talk())
        if response is None:
            return effects
        if not mechanism.clientFirst:
            return self._break(b"this mechanism takes no initial response")
        # RFC 5034 section 4: a lone "=" is the empty response.
        return self._answer(b"" if response == b"=" else response)

    def do_STLS(self) -> Effects:
        self.state = State.ENDED
        return [StartTLS(ok(b"begin TLS"))]

    # Exchanges.

    def _claim(self, claim: Claim) -> Effects:
        """USER and APOP: an exchange that asks the client nothing."""

        def talk() -> Exchange:
            yield claim

        return self._begin(talk())

    def _begin(self, exchange: Exchange) -> Effects:
        self._name = b""
        self._exchange, self._outcome = exchange, None
        return self._goOn(None)

    def _answer(self, line: bytes) -> Effects:
        """A line of the client while the exchange asks for one."""
        if line == b"*":
            return self._break(_CANCELLED)
        try:
            return self._goOn(decode(line))
        except BadAnswer as wrong:
            return self._break(wrong.text)

    def _goOn(self, answer: object) -> Effects:
        """
        Give the exchange what it asked for.

        @raise BadAnswer: it does not fit; only a client's answer can be so.
        """
        assert self._exchange is not None
        try:
            step = self._exchange.send(answer)
        except StopIteration:
            return self._conclude()
        if isinstance(step, Challenge):
            self.state = State.EXCHANGE
            return [Reply(replies.challenge(step.octets))]
        if isinstance(step, FetchVerifier):
            self.state = State.LOOKUP
            return [step]
        self.state = State.CLAIMED
        return [CheckClaim(step)]

    def _conclude(self) -> Effects:
        """The login is over, one way or the other."""
        outcome = self._outcome
        assert outcome is not None
        self._exchange = self._outcome = None
        return self._refuse(outcome) if isinstance(outcome, Refusal) else self._enter(outcome)

    def _break(self, text: bytes) -> Effects:
        """
        The client has cancelled the exchange, or gave an answer that does not fit.

        @param text: a sentence for it.
        """
        if isinstance(self._outcome, Refusal):
            # The dummy answer of RFC 7628 section 3.2.3, whatever it is made of.
            return self._conclude()
        self._exchange = None
        if self._outcome is not None:
            # It does not take us for the right server, and should not go on.
            return [Reply(err(text)), *self._end("login-not-confirmed")]
        self.state = State.AUTHORIZATION
        return [Reply(err(text))] if text == _CANCELLED else self._bad(err(text))

    def _refuse(self, why: Refusal) -> Effects:
        self.state = State.AUTHORIZATION
        effects: Effects = [Reply(replies.refused(why))]
        if why is Refusal.WRONG and self._refusals >= self._limits.loginAttempts:
            effects += self._end("login-attempts")
        return effects

    def _enter(self, messages: Messages) -> Effects:
        """TRANSACTION begins."""
        raise NotImplementedError

    # What both parts of a Session share.

    def _bad(self, reply: bytes) -> Effects:
        """A line that no mail program sends; too many of them end the session."""
        self._badCommands += 1
        most = (
            self._limits.badCommandsInARow
            if self.state in AFTER_LOGIN
            else self._limits.badCommandsBeforeLogin
        )
        effects: Effects = [Reply(reply)]
        if self._badCommands >= most:
            effects += self._end("bad-commands")
        return effects

    def _end(self, reason: str) -> Effects:
        self.state = State.ENDED
        return [Disconnect(reason)]

    def _checkState(self, fits: bool) -> None:
        """A line or an outcome at the wrong time is the driver's fault."""
        if not fits:
            raise RuntimeError(f"the session does not expect this in {self.state.name}")
