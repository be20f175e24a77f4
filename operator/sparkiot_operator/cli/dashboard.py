"""``sparkiot dashboard``: the built-in page for whoever has a kubeconfig."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from .cluster import KubeconfigOption
from .console import console, fail


def dashboard(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only this namespace. Default: all of them.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8090,
    audit_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="SPARKIOT_AUDIT_DIR",
            help="The operator's audit folder. Without it timelines begin now and know neither load nor forecast.",
        ),
    ] = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Serve a read-only page with every job and its timeline on this machine, until Ctrl-C."""
    from sparkiot_operator.dashboard.outside import outside_page
    from sparkiot_operator.errors import StartupError

    async def serve() -> None:
        async with outside_page(namespace=namespace, audit=audit_dir, port=port) as page:
            console.print(f"the dashboard is on {page.url} (Ctrl-C ends it)", soft_wrap=True)
            await asyncio.Event().wait()

    if kubeconfig:
        os.environ["KUBECONFIG"] = str(kubeconfig)
    if audit_dir is not None and not audit_dir.is_dir():
        fail(f"{audit_dir}: no such folder")
    try:
        asyncio.run(serve())
    except StartupError as error:
        fail(str(error), code=error.exit_code)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
