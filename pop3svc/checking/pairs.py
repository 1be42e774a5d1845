"""
Certificates: whose they are, from when to when, and whether their chains are in order.
"""

from __future__ import annotations

import os
import stat
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from ..certificates import WARNING, Pair, now, readFile, readPair
from ..errors import SettingError
from ..options import Options
from ..parts import CertificateSets
from .findings import Section, counted


def checkCertificates(section: Section, options: Options) -> CertificateSets | None:
    """@return: the sets, if they can serve."""
    sets: CertificateSets | None = None
    with section.trying():
        sets = CertificateSets(options)
    if sets is None:
        return None
    if not sets.paths:
        section.tell("none: there is no TLS, and passwords are not safe on their way")
    whole = True
    for certificate, key in sets.paths:
        section.tell(certificate)
        try:
            _checkPair(section, readPair(certificate, key))
        except SettingError as error:
            section.error(str(error), 1)
            whole = False
    if options["client-ca"]:
        whole = _checkAuthorities(section, options["client-ca"]) and whole
    return sets if whole else None


def _checkPair(section: Section, pair: Pair) -> None:
    chain = x509.load_pem_x509_certificates(pair.chain)
    first, at = chain[0], now()
    section.tell(f"for {', '.join(pair.names) or 'no name'}; issued by {_name(first.issuer)}", 1)
    section.tell(
        f"from {first.not_valid_before_utc:%Y-%m-%d} to {pair.expires:%Y-%m-%d}"
        f" ({_left(pair, at)}); its key is in {pair.key}",
        1,
    )
    if not pair.names:
        section.warn(
            "no DNS name is in it, and mail programs will refuse it; have it issued for the name"
            " that they are set to",
            1,
        )
    if first.not_valid_before_utc > at:
        section.error("it is not valid yet; correct the clock of this machine, or wait", 1)
    if pair.expired(at):
        section.error("it has expired, and mail programs will refuse it; renew it", 1)
    elif pair.endsSoon(at):
        section.warn(
            f"it ends in less than {WARNING.days} days; renew it, and see why nobody has", 1
        )
    _checkChain(section, chain)
    if os.stat(pair.key).st_mode & stat.S_IROTH:
        section.warn(f"everybody on this machine can read the key; chmod o= {pair.key}", 1)


def _checkChain(section: Section, chain: list[x509.Certificate]) -> None:
    """Each certificate is followed by its issuer's (RFC 8446 section 4.4.2)."""
    for n, (one, issuer) in enumerate(pairwise(chain), 1):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            section.warn(
                f"the chain is out of order: certificate {n + 1} in the file is not the issuer of"
                f" certificate {n}, and some mail programs will refuse it; put the service's own"
                " first, then its issuer's, and so on",
                1,
            )
            return
    last = chain[-1]
    if last.issuer == last.subject:
        what = "self-signed" if len(chain) == 1 else "up to the root, which need not be sent"
    else:
        what = f"mail programs must know {_name(last.issuer)}"
    section.tell(f"{counted(len(chain), 'certificate')} in the file; {what}", 1)


def _checkAuthorities(section: Section, path: str) -> bool:
    section.tell(f"client certificates are asked for, by authorities in {path}")
    try:
        authorities = x509.load_pem_x509_certificates(readFile(path))
    except SettingError as error:
        section.error(str(error), 1)
        return False
    except ValueError:
        section.error(f"{path} holds no PEM certificates of authorities; correct it", 1)
        return False
    for each in authorities:
        ends = each.not_valid_after_utc
        section.tell(f"{_name(each.subject)}, to {ends:%Y-%m-%d}", 1)
        if ends <= now():
            section.warn("it has expired, and so its clients are refused; renew it", 1)
    return True


def _left(pair: Pair, at: datetime) -> str:
    days = (pair.expires - at).days
    return f"{counted(days, 'day')} left" if days >= 0 else f"{counted(-days, 'day')} ago"


def _name(name: x509.Name) -> str:
    """The common name, which people know, or else all of it."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()
