"""What went wrong with a connection, in words for logs and errors. Pure; which error it is, is `connection`'s."""

from __future__ import annotations

import os
import socket


def explain(error: OSError) -> str:
    """What an error of the network means, in words for a log."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is a broker listening there?"
    if isinstance(error, socket.gaierror):
        return f"the name can not be resolved ({error.strerror or error})"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def silence(seconds: float, *, connected: bool) -> str:
    """What it means that nothing was heard for so long."""
    if not connected:
        return f"no connection within {seconds:g} s; is the address right, and does a firewall drop the packets?"
    return f"connected, but no answer to the handshake within {seconds:g} s; is this the Kafka port?"
