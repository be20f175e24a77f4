"""``sparkiot dev``: the embedded cluster in the foreground, with this project's resource installed."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from sparkiot_operator.cli.console import console, fail
from sparkiot_operator.cli.tournament_options import duration

if TYPE_CHECKING:
    from sparkiot_sim.devcluster import DevCluster
    from sparkiot_sim.nodeagent import LocalImage

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
    image: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=PYTHON: pods of image NAME run in the environment of this interpreter; may be repeated. The "
            "interpreter of this command is there as sparkiot:dev."
        ),
    ] = None,
    audit_log: Annotated[
        Path | None,
        typer.Option(help="File to which every request on a resource is appended, as Kubernetes' audit log has it."),
    ] = None,
    event_ttl: Annotated[
        str, typer.Option(help="How long an Event is kept after its last write, as kube-apiserver's --event-ttl.")
    ] = "1h",
    node: Annotated[
        bool, typer.Option(help="Run pods as local processes. On by default where that works: on Linux.")
    ] = sys.platform == "linux",
    node_cpus: Annotated[
        float | None,
        typer.Option(min=0.1, help="Cores that pods may request together; any number when absent: they share cores."),
    ] = None,
    node_memory: Annotated[
        str | None, typer.Option(help="Memory that pods may request together, such as 8Gi; the machine's when absent.")
    ] = None,
) -> None:
    """Start an embedded cluster for kubectl, kopf and this operator: no Kubernetes, no containers, no root.

    It runs pods as local processes of yours, without any isolation: run only what you would run in your shell.
    """
    from sparkiot_operator.crd import build_crd
    from sparkiot_sim.devcluster import ClusterError, DevCluster
    from sparkiot_sim.nodeagent import NodeSize, cluster_with_node

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    crds = [build_crd(), *read_crds(crd or [])]
    event_ttl_s = duration(event_ttl, "--event-ttl")
    if event_ttl_s <= 0:
        raise typer.BadParameter("must be above 0", param_hint="--event-ttl")
    if node:
        images = [read_image(text) for text in image or ()]
        size = NodeSize(cpus=node_cpus, memory=read_memory(node_memory) if node_memory else None)
        starting = cluster_with_node(
            images=images,
            size=size,
            port=port,
            data=data,
            kubeconfig=kubeconfig.absolute(),
            crds=crds,
            audit_log=audit_log,
            event_ttl_s=event_ttl_s,
        )
    elif image or node_cpus or node_memory:
        fail("--image, --node-cpus and --node-memory are about the node, and --no-node leaves it out", code=2)
    else:
        starting = DevCluster.start(
            port=port,
            data=data,
            kubeconfig=kubeconfig.absolute(),
            crds=crds,
            audit_log=audit_log,
            event_ttl_s=event_ttl_s,
        )
    try:
        asyncio.run(_serve(starting, data))
    except (ClusterError, OSError) as error:
        fail(str(error))


async def _serve(starting: AbstractAsyncContextManager["DevCluster"], data: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with starting as cluster:
        console.print(f"Embedded cluster on {cluster.url}. In another shell:\n", markup=False)
        console.print(
            f"  export KUBECONFIG={cluster.kubeconfig}\n  kubectl get sij -A -w\n", markup=False, soft_wrap=True
        )
        console.print("Ctrl-C stops it" + (f"; objects are kept in {data}" if data else "; its objects end with it"))
        await stop.wait()


def read_image(text: str) -> "LocalImage":
    """`NAME=PYTHON`; ends the command when it is not that, or there is no such interpreter."""
    from sparkiot_sim.nodeagent import LocalImage

    name, _, python = text.rpartition("=")
    path = Path(python).expanduser().absolute()
    if not name or not os.access(path, os.X_OK) or not path.is_file():
        fail(
            f"--image {text}: must be NAME=PYTHON, an image name and the path of an interpreter",
            code=2,
        )
    return LocalImage(name, path)


def read_memory(text: str) -> int:
    """Bytes of a quantity such as 8Gi; ends the command for anything else."""
    from sparkiot_sim.devcluster.celfunctions import parse_quantity

    try:
        return int(parse_quantity(text))
    except ValueError as error:
        fail(f"--node-memory: {error}", code=2)


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
