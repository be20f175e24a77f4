"""Backends: what runs a job. Each is one module; the contract suite runs over all of them."""

from sparkiot_operator.errors import BackendRefusedError
from sparkiot_operator.resource.spec import BackendKind, SparkIoTJobSpec
from sparkiot_operator.resource.translate import InvalidSpecError, SpecProblem

from .base import Backend, Inherited, Observed
from .simulated import ReadConfigMap, SimulatedBackend

__all__ = ["Backend", "Inherited", "Observed", "ReadConfigMap", "make_backend"]


def make_backend(
    spec: SparkIoTJobSpec,
    *,
    default: BackendKind,
    origin: float,
    read_config_map: ReadConfigMap,
    inherited: Inherited | None,
) -> Backend:
    """The backend that a spec asks for. Raises BackendRefusedError or InvalidSpecError when there is none.

    default: for a spec that names none. origin: job time at which the job began, epoch seconds.
    """
    if (spec.backend or default) is BackendKind.SPARK:
        raise BackendRefusedError(
            "BackendUnavailable",
            "backend Spark is not part of this release; set spec.backend to Simulated and state spec.simulation",
        )
    if spec.simulation is None:
        raise InvalidSpecError([SpecProblem("spec.simulation", "a missing field", "backend Simulated needs it")])
    return SimulatedBackend(spec.simulation, origin=origin, read_config_map=read_config_map, inherited=inherited)
