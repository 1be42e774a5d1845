"""
Lines of password files: a line that is wrong is left out with a sentence, and never
takes another one with it.
"""

from __future__ import annotations

from random import Random

from pop3svc.auth.passwdfile import parse

from .case import Case, corpus
from .mutation import mutate
from .naiveanswers import Wrong

_MOST = 5
# Behind what is mutated: it must still count.
_LAST = b"zed:{PLAIN}zed's password\n"
_SECRETS = ("Kr1ngel", "zed's password")


class Passwords:
    """The target. The pieces of a case make one file."""

    name = "passwords"
    unit = "files"

    def make(self, dice: Random) -> Case:
        known = [line for each in corpus(self.name) for line in each.data.splitlines(True)]
        data = b"".join(dice.choice(known) for _ in range(dice.randrange(1, 5)))
        for _ in range(dice.choice((1, 1, 2, 3))):
            data = mutate(dice, data, known)
        return Case(self.name, (data,))

    def check(self, case: Case) -> int:
        table = parse(case.data + b"\n" + _LAST, _MOST)
        zed = table.users.get(b"zed")
        if zed is None or (b"zed" not in case.data and len(zed.credentials) != 1):
            raise Wrong("the last line is lost")
        for number, sentence in table.complaints:
            if not 1 <= number <= case.data.count(b"\n") + 2 or not sentence:
                raise Wrong(f"line {number}: {sentence!r}")
            if any(secret in sentence for secret in _SECRETS):
                raise Wrong(f"a password is quoted: {sentence!r}")
        for name, user in table.users.items():
            if len(user.credentials) > _MOST or not name or b"\n" in name:
                raise Wrong(f"{name!r} has {len(user.credentials)} passwords")
            if any(each.stored is None for each in user.credentials):
                raise Wrong(f"{name!r} has a password that is locked")
            for each in user.credentials:
                if each.maildrop is not None and not each.maildrop.startswith("/"):
                    raise Wrong(f"the maildrop {each.maildrop!r} is no path")
        if table.usable != sum(bool(each.credentials) for each in table.users.values()):
            raise Wrong("users are counted wrong")
        table.standIn(case.data[:20])
        return 1
