"""
One case: what is fed to a target. As a file it is text that people can read::

    # why it is here
    target = "stream"
    seed = "1996/17"
    plan = {"secure": true}
    b"AUTH PLAIN\\r\\n"
    b"A" * 90000 + b"\\r\\n"

The first lines name the target, and what else it must know to do the same again;
each line behind them is one piece of the input, and for a stream one segment.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"

_SETTING = re.compile(r"([a-z]+) = (.*)")
# A run of one octet that is longer is written as a product.
_RUN = re.compile(rb"(.)\1{63,}", re.DOTALL)


@dataclass(frozen=True)
class Case:
    """
    @ivar target: the name of a L{campaign.Target}.
    @ivar pieces: the input.
    @ivar seed: what it was made of; empty for one made by hand.
    @ivar plan: what else the target must know, as JSON has it.
    """

    target: str
    pieces: tuple[bytes, ...]
    seed: str = ""
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The input in one."""
        return b"".join(self.pieces)


def read(path: Path) -> Case:
    """@raise ValueError: the file is written otherwise."""
    settings: dict[str, Any] = {}
    pieces: list[bytes] = []
    for line in path.read_text("ascii").splitlines():
        if not line or line.startswith("#"):
            continue
        if found := _SETTING.fullmatch(line):
            settings[found[1]] = json.loads(found[2])
        else:
            pieces.append(_octets(ast.parse(line, mode="eval").body))
    return Case(pieces=tuple(pieces), **settings)


def write(case: Case, path: Path, comment: str) -> None:
    """@param comment: why it is kept; any text."""
    text = [
        f"# {each.encode('ascii', 'backslashreplace').decode()}" for each in comment.splitlines()
    ]
    text.append(f"target = {json.dumps(case.target)}")
    if case.seed:
        text.append(f"seed = {json.dumps(case.seed)}")
    if case.plan:
        text.append(f"plan = {json.dumps(case.plan)}")
    text += [_written(each) for each in case.pieces]
    path.write_text("\n".join(text) + "\n", "ascii")


def corpus(target: str) -> list[Case]:
    """All cases of one target that are kept, in the order of their names."""
    return [read(path) for path in sorted((CORPUS / target).glob("*.txt"))]


def _octets(node: ast.expr) -> bytes:
    """Sums and multiples of literals, and nothing else that Python can."""
    match node:
        case ast.Constant(bytes() as octets):
            return octets
        case ast.BinOp(left, ast.Mult(), ast.Constant(int() as times)):
            return _octets(left) * times
        case ast.BinOp(left, ast.Add(), right):
            return _octets(left) + _octets(right)
    raise ValueError("a piece is written as b'...', b'...' * 1000, or a sum of them")


def _written(piece: bytes) -> str:
    terms, at = [], 0
    for run in _RUN.finditer(piece):
        if run.start() > at:
            terms.append(repr(piece[at : run.start()]))
        terms.append(f"{run[1]!r} * {len(run[0])}")
        at = run.end()
    if at < len(piece) or not terms:
        terms.append(repr(piece[at:]))
    return " + ".join(terms)
