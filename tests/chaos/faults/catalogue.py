"""All kinds of faults that there are."""

from chaos.faults.api_hung import ApiHung
from chaos.faults.api_killed import ApiKilled
from chaos.faults.base import Fault
from chaos.faults.clock_jump import ClockBack, ClockForward
from chaos.faults.conflicts import Conflicts
from chaos.faults.disk_full import DiskFull
from chaos.faults.driver_killed import DriverKilled
from chaos.faults.executor_killed import ExecutorKilled
from chaos.faults.operator_frozen import OperatorFrozen
from chaos.faults.operator_killed import OperatorKilled
from chaos.faults.policy_replaced import PolicyReplaced
from chaos.faults.servers_killed import MqttKilled, RedisKilled, S3Killed
from chaos.faults.storms import ConflictStorm, ErrorStorm, ThrottleStorm
from chaos.faults.watches import WatchesDropped, WatchesSilent, WatchesSlow

FAULTS: tuple[type[Fault], ...] = (
    OperatorKilled,
    OperatorFrozen,
    DriverKilled,
    ExecutorKilled,
    RedisKilled,
    S3Killed,
    MqttKilled,
    ApiKilled,
    ApiHung,
    WatchesSlow,
    WatchesDropped,
    WatchesSilent,
    ConflictStorm,
    ThrottleStorm,
    ErrorStorm,
    Conflicts,
    ClockForward,
    ClockBack,
    DiskFull,
    PolicyReplaced,
)
BY_NAME = {fault.kind.name: fault for fault in FAULTS}
