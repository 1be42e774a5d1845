"""
The world of the naive server while Hypothesis decides how things go.
"""

from __future__ import annotations

from .naivelogin import Claim
from .naiveworld import World
from .plans import NAMES


class MachineWorld(World):
    """
    @ivar outcome: what Hypothesis has decided about the wait of this line; empty
        when it had none.
    """

    def __init__(self, messages: tuple[bytes, ...]) -> None:
        super().__init__(list(zip(messages, NAMES, strict=False)))
        self.outcome = ""

    def login(self, claim: Claim) -> str:
        return self.outcome or "wrong"

    def verifier(self) -> str:
        return self.outcome or "good"

    def transfer(self, number: int, top: int | None) -> str:
        return self.outcome

    def remove(self, numbers: list[int]) -> bool:
        return self.outcome == "good"
