"""The server: one socket on 127.0.0.1, in a thread beside whatever the program does."""

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tocsin_cli.connection import Connection
from tocsin_cli.console.app import application
from tocsin_cli.console.guard import Secrets

HOST = "127.0.0.1"
"""Nothing but this machine reaches it; there is no option for another."""


class PortTakenError(Exception):
    """Something else listens on the port."""


@contextmanager
def serving(connection: Connection, port: int = 0) -> Iterator[str]:
    """Serve the console as long as the block runs; gives the link that opens it.

    The link holds the start's token in its fragment, which no browser sends anywhere: the page exchanges it. Port 0
    is any that is free. Raises PortTakenError. Nothing is asked of AWS before a page asks.
    """
    with _listening(port) as listener:
        bound: int = listener.getsockname()[1]
        secrets = Secrets()
        config = uvicorn.Config(
            application(connection, secrets, bound),
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="console", daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{bound}/#token={secrets.link}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """Bind and listen: a browser that is opened at once waits in the queue."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            raise PortTakenError(f"Port {port} can't be had ({error.strerror}): give --port 0 for any.") from None
        listener.listen()
        yield listener
