"""``sparkiot check``: whether an installed operator works; ``helm test`` runs it inside the cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from .cluster import KubeconfigOption, with_api
from .console import console, fail

if TYPE_CHECKING:
    from sparkiot_operator.kube import KubeApi


def check(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace that the operator watches; the job is made there.")
    ] = "default",
    name: Annotated[str, typer.Option(help="Name of the job that is made and deleted.")] = "sparkiot-check",
    patience: Annotated[float, typer.Option(min=1, help="Seconds that each step may take.")] = 60.0,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Check that the operator runs a simulated job, which is deleted afterwards; exit code 1 otherwise."""
    from sparkiot_operator.errors import InstallationError
    from sparkiot_operator.installation import runs_a_job

    def say(line: str) -> None:
        console.print(line, soft_wrap=True)

    async def steps(api: "KubeApi") -> None:
        await runs_a_job(api, namespace, name, patience_s=patience, say=say)

    try:
        with_api(kubeconfig, steps)
    except InstallationError as error:
        fail(str(error))
