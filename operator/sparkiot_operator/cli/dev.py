"""``sparkiot dev``: the embedded cluster in the foreground, with this project's resource installed."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from sparkiot_operator.cli.console import console, fail

DEFAULT_KUBECONFIG = Path(".cache/dev/kubeconfig")
DEFAULT_PORT = 16640


def dev(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = DEFAULT_PORT,
    data: Annotated[
        Path | None, typer.Option(help="Folder in which objects survive a restart; in memory only when absent.")
    ] = None,
    kubeconfig: Annotated[
        Path, typer.Option(help="Where to write the kubeconfig; never over one of another cluster.")
    ] = DEFAULT_KUBECONFIG,
    crd: Annotated[
        list[Path] | None, typer.Option(help="File or folder with further CustomResourceDefinitions; may be repeated.")
    ] = None,
) -> None:
    """Start an embedded cluster for kubectl, kopf and this operator: no Kubernetes, no containers, no root."""
    from sparkiot_operator.crd import build_crd
    from sparkiot_sim.devcluster import ClusterError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    crds = [build_crd(), *read_crds(crd or [])]
    try:
        asyncio.run(_serve(port, data, kubeconfig.absolute(), crds))
    except (ClusterError, OSError) as error:
        fail(str(error))


async def _serve(port: int, data: Path | None, kubeconfig: Path, crds: Sequence[dict[str, Any]]) -> None:
    from sparkiot_sim.devcluster import DevCluster

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with DevCluster.start(port=port, data=data, kubeconfig=kubeconfig, crds=crds) as cluster:
        console.print(f"Embedded cluster on {cluster.url}. In another shell:\n", markup=False)
        console.print(f"  export KUBECONFIG={kubeconfig}\n  kubectl get sij -A -w\n", markup=False, soft_wrap=True)
        console.print("Ctrl-C stops it" + (f"; objects are kept in {data}" if data else "; its objects end with it"))
        await stop.wait()


def read_crds(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """All CustomResourceDefinitions in these YAML files and folders; ends the command when one cannot be read."""
    found = []
    for path in paths:
        files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        if not files:
            fail(f"{path}: no YAML file in this folder", code=2)
        for file in files:
            try:
                documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                fail(f"{file}: cannot be read: {error}", code=2)
            for document in documents:
                kind = document.get("kind") if isinstance(document, dict) else None
                if kind != "CustomResourceDefinition" or not (document.get("metadata") or {}).get("name"):
                    fail(f"{file}: {kind or 'a document'} is not a CustomResourceDefinition with a name", code=2)
                found.append(document)
    return found
