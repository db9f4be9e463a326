"""Run the server of the explorer until it is interrupted."""

import secrets
import socket
from collections.abc import Callable

import uvicorn

from ramify.errors import RamifyError
from ramify.explore.server import application, is_loopback
from ramify.explore.source import Source


def serve(source: Source, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        port: 0 for any that is free.
        say: prints the address.

    Raises:
        RamifyError: the address cannot be used.
    """
    token = None if is_loopback(host) else secrets.token_urlsafe(16)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, UnicodeError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise RamifyError(f"{host}:{port}: cannot listen there ({reason}); choose another with --port") from None
    at = f"[{host}]" if ":" in host else host
    address = f"http://{at}:{listening.getsockname()[1]}/"
    say(address if token is None else f"{address}?token={token}")
    config = uvicorn.Config(
        application(source, host, token), log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listening])
