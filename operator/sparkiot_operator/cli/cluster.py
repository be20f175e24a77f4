"""What the commands that talk to a cluster share: options, and a call that ends in one clear line when it fails."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .console import fail

if TYPE_CHECKING:
    from sparkiot_operator.kube import KubeApi

Result = TypeVar("Result")

NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the job.")]
KubeconfigOption = Annotated[
    Path | None, typer.Option(help="Kubeconfig file. Default: KUBECONFIG, then ~/.kube/config.")
]
CALL_TIMEOUT_S = 10.0


def with_api(kubeconfig: Path | None, use: "Callable[[KubeApi], Awaitable[Result]]") -> Result:
    """Log in, call ``use``, and turn what can go wrong into a message and an exit code."""
    from sparkiot_operator.errors import ApiError, ApiNotFoundError, StartupError
    from sparkiot_operator.kube import KubeApi

    async def run() -> Result:
        async with KubeApi(timeout_s=CALL_TIMEOUT_S) as api:
            return await use(api)

    if kubeconfig:
        os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        return asyncio.run(run())
    except StartupError as error:
        fail(str(error), code=error.exit_code)
    except ApiNotFoundError as error:
        fail(f"not found: {error}")
    except ApiError as error:
        fail(str(error))
