"""Which faults cannot be injected where the suite runs, and why."""

from chaos.faults.base import Fault
from chaos.faults.disk_full import DiskFull
from chaos.faults.operator_frozen import OperatorFrozen
from chaos.faults.operator_killed import OperatorKilled
from chaos.faults.servers_killed import ServerKilled
from chaos.faults.storms import Storm
from chaos.faults.watches import WatchesDropped, WatchesSilent, WatchesSlow
from chaos.world import GIVEN, PREFIX, PROXIED, SERVERS

OF_OUR_PROCESSES = (DiskFull, OperatorFrozen, OperatorKilled)
IN_THE_PROXY = (Storm, WatchesDropped, WatchesSilent, WatchesSlow)


def left_out(fault: type[Fault]) -> str | None:
    """None where it can be injected."""
    if not GIVEN:
        return None
    if issubclass(fault, ServerKilled) and not SERVERS:
        return "SPARKIOT_SERVERS_HOST is not set: pods reach no server of this machine"
    if issubclass(fault, IN_THE_PROXY) and not PROXIED:
        return "SPARKIOT_OPERATOR_PREFIX puts the operators into another network, and SPARKIOT_SERVERS_HOST is not set"
    if issubclass(fault, OF_OUR_PROCESSES) and PREFIX.startswith("sudo"):
        return "SPARKIOT_OPERATOR_PREFIX makes the operators another user's processes"
    return fault.given
