"""Backends: what runs a job. Each is one module; the contract suite runs over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.driver_tokens import TOKEN_LIFETIME_S
from sparkiot_operator.errors import BackendRefusedError
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.spec import BackendKind, SparkIoTJobSpec
from sparkiot_operator.resource.status import DriverStatus
from sparkiot_operator.resource.translate import InvalidSpecError, SpecProblem
from sparkiot_operator.spark.confinement import Confinement

from .base import ENDED, Backend, BackendState, Desired, Inherited, Observed
from .simulated import ReadConfigMap, SimulatedBackend
from .spark import ObjectsApi, SparkBackend

__all__ = [
    "ENDED",
    "Backend",
    "BackendState",
    "Desired",
    "Inherited",
    "ObjectsApi",
    "Observed",
    "ReadConfigMap",
    "Surroundings",
    "kind_of",
    "make_backend",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a backend may use besides its spec.

    default_backend: for a spec that names none. objects: calls to the Kubernetes API. drivers: calls to drivers.
    runtime_image: the image that brings the driver's runtime; None where the operator was not told.
    pod_resize: whether the cluster resizes pods in place. peers: who may call drivers' endpoints, each a
    NetworkPolicyPeer; everybody where there are none. confinement: what the pods of jobs may ask for.
    token_lifetime_s: seconds after which the token of a driver's endpoint is replaced.
    """

    ref: JobRef
    default_backend: BackendKind
    read_config_map: ReadConfigMap
    objects: ObjectsApi
    drivers: DriverClient
    runtime_image: str | None = None
    runtime_image_pull_policy: str | None = None
    pod_resize: bool = False
    peers: Sequence[Mapping[str, Any]] = ()
    confinement: Confinement = field(default_factory=Confinement)
    token_lifetime_s: float = TOKEN_LIFETIME_S


def kind_of(spec: SparkIoTJobSpec, default: BackendKind) -> BackendKind:
    return spec.backend or default


def make_backend(
    spec: SparkIoTJobSpec,
    around: Surroundings,
    *,
    origin: float,
    inherited: Inherited | None,
    driver: DriverStatus | None,
) -> Backend:
    """The backend that a spec asks for. Raises BackendRefusedError or InvalidSpecError when it cannot run it.

    origin: job time at which the job began, epoch seconds. inherited, driver: what an earlier operator left of a
    simulated and of a live job.
    """
    if kind_of(spec, around.default_backend) is BackendKind.SIMULATED:
        if spec.simulation is None:
            raise InvalidSpecError([SpecProblem("spec.simulation", "a missing field", "backend Simulated needs it")])
        return SimulatedBackend(
            spec.simulation, origin=origin, read_config_map=around.read_config_map, inherited=inherited
        )
    if spec.application is None:
        raise InvalidSpecError([SpecProblem("spec.application", "a missing field", "backend Spark needs it")])
    if around.runtime_image is None:
        raise BackendRefusedError(
            "BackendUnavailable",
            "the operator was not told which image brings the driver's runtime: set its runtime-image "
            "(SPARKIOT_RUNTIME_IMAGE) to the operator's own image",
        )
    return SparkBackend(
        around.ref,
        spec,
        objects=around.objects,
        drivers=around.drivers,
        runtime_image=around.runtime_image,
        runtime_image_pull_policy=around.runtime_image_pull_policy,
        pod_resize=around.pod_resize,
        known=driver,
        peers=around.peers,
        confinement=around.confinement,
        token_lifetime_s=around.token_lifetime_s,
    )
