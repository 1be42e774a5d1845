"""
Texts for an administrator's terminal, which clients and other users have a part in.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """What somebody else chose must not speak to the terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
