"""Listening on a TCP port, with errors that say which setting chooses another."""

import errno

from aiohttp import web

from .errors import PortInUseError, StartupError


async def listen(app: web.Application, host: str, port: int, *, what: str, flag: str) -> tuple[web.AppRunner, int]:
    """Serve ``app``; the runner, to be cleaned up, and the port (0 takes a free one).

    what: for the message. flag: that sets the port. Raises PortInUseError, or StartupError for an address that this
    machine does not have.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"{what} port {host}:{port} is in use; choose another with {flag}, or 0 for any free one"
            ) from error
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return runner, int(runner.addresses[0][1])
