"""PINs and passwords as they are kept: scrypt hashes.

What it is: hash and comparison. What it is not: a rule of what a good PIN is, or a count of wrong ones (accounts).
Any thread; a hash takes about a fifth of a second of one core on purpose, with the interpreter free meanwhile.

Parameters: N = 2^14, r = 8, p = 5, one of the equivalent settings of the OWASP Password Storage Cheat Sheet; it takes
16 MiB, since the machine is small. They stand in each hash, so that a later version may raise them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

LOG2_N, R, P = 14, 8, 5
_SALT_BYTES = 16
_HASH_BYTES = 32


def hash_secret(secret: str) -> str:
    """`scrypt$log2(N)$r$p$salt$hash` of a PIN or password."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${LOG2_N}${R}${P}${salt.hex()}${_scrypt(secret, salt, LOG2_N, R, P).hex()}"


def matches(secret: str, kept: str) -> bool:
    """Whether `kept` is the hash of `secret`; takes as long whichever it is. Raises ValueError for what is no hash."""
    kind, log2_n, r, p, salt, wanted = kept.split("$")
    if kind != "scrypt":
        raise ValueError(f"kept secret is of kind {kind!r}, wanted 'scrypt'")
    found = _scrypt(secret, bytes.fromhex(salt), int(log2_n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(wanted))


def _scrypt(secret: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    room = 2 * 128 * r * (1 << log2_n)
    return hashlib.scrypt(secret.encode(), salt=salt, n=1 << log2_n, r=r, p=p, maxmem=room, dklen=_HASH_BYTES)
