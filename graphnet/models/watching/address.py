"""The address of a run's page, which is the same each time, so that an open page finds a server that was restarted."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from graphnet.io import filesystem

#: The bytes of the secret, and the ports for dynamic use (RFC 6335).
SECRET, PORTS = 32, range(49152, 65536)


def kept_address(run: Path) -> tuple[str, int]:
    """The token and the port for a run: derived from its path and a secret that only this account can read.

    The secret is a file in the cache folder (``GRAPHNET_CACHE``, or that of XDG). Where none can be kept, or others
    could read it, the token and the port are random.

    Returns
    -------
    token : str
        256 bits.
    port : int
        One of the ports for dynamic use.
    """
    secret = _secret() or secrets.token_bytes(SECRET)
    where = os.path.realpath(run).encode("utf-8", "surrogateescape")
    token, port = (hmac.digest(secret, purpose + where, "sha256") for purpose in (b"token ", b"port "))
    return base64.urlsafe_b64encode(token).decode().rstrip("="), PORTS[int.from_bytes(port, "big") % len(PORTS)]


def proof(token: str, nonce: str, host: str) -> str:
    """What shows a server that a page knows the token, and is of no use to any other server or port.

    A page asks for its data again when the server has ended, and another account of the machine may listen on the port
    then: it must not learn the token from that.
    """
    return hmac.new(token.encode(), f"{nonce} {host}".encode(), hashlib.sha256).hexdigest()


def _secret() -> bytes | None:
    base = os.environ.get("GRAPHNET_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "graphnet"
    )
    path = os.path.join(base, "watch-secret")
    if os.name == "nt":  # the permissions of a file are not those of POSIX there
        return None
    with contextlib.suppress(OSError):
        if not os.path.lexists(path):
            filesystem.make_folders(Path(base), 0o700)
            _create(path)
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            private = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
            found = file.read(SECRET + 1) if private else b""
        return found if len(found) == SECRET else None
    return None


def _create(path: str) -> None:
    """Write the secret under another name first: the file is whole when it appears."""
    draft = f"{path}.{secrets.token_hex(8)}"
    filesystem.write_private(draft, secrets.token_bytes(SECRET))
    filesystem.rename(draft, path)
