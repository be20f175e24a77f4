"""``sparkiot devices``: a simulated fleet that sends to a real broker, and ends by itself."""

import math
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sparkiot_edge.broker_settings import NO_FLAGS
from sparkiot_operator.fleet.settings import DevicesSettings

from .console import console, errors, fail
from .setting_flags import USAGE_ERROR, problems, take_flags

if TYPE_CHECKING:
    from sparkiot_operator.fleet.load import FleetLoad
    from sparkiot_operator.fleet.sender import Sent

SAY_S = 5.0
LINE = "{:>7}  {:>7}  {:>7}  {:>9}  {:>7}  {}"


def devices(**flags: Any) -> None:
    """Let thousands of simulated devices send to an MQTT broker, at QoS 1, with bursts on demand.

    Every flag has an environment variable, SPARKIOT_DEVICES_<NAME>. The password is no flag: SPARKIOT_DEVICES_PASSWORD,
    or a file.
    """
    from sparkiot_edge.mqtt import BrokerError
    from sparkiot_operator.fleet.readings import Devices
    from sparkiot_operator.fleet.sender import Fleet, ids_from
    from sparkiot_sim.trace import TraceError

    try:
        settings = DevicesSettings(**{name: value for name, value in flags.items() if value not in (None, [], ())})
        now = time.time()
        fleet = Fleet(
            settings.open_broker(),
            Devices(settings.kind, count=settings.count, seed=settings.seed),
            settings.load(start=now),
            first_id=ids_from(now) if settings.first_id is None else settings.first_id,
            repeat=settings.repeat,
        )
    except ValidationError as error:
        fail(f"settings: {problems(error)}", code=USAGE_ERROR)
    except (BrokerError, TraceError) as error:
        fail(str(error))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    errors.print(f"{settings.count} devices send to {settings.broker} for {settings.seconds:g} s", markup=False)
    console.print(LINE.format("second", "wanted", "sent/s", "messages", "waiting", ""))
    try:
        sent = fleet.run(settings.seconds, stop=stop, each_tick=_Progress(fleet.load).tell)
    except BrokerError as error:
        fail(f"{settings.broker}: {error}")
    ids = f", ids {fleet.ids[0]} to {fleet.ids[-1]}" if fleet.ids else ""
    console.print(
        f"{sent.messages} messages in {sent.elapsed_s:.1f} s{ids}; {sent.repeats} of them twice", soft_wrap=True
    )
    if sent.messages < sent.due and not stop.is_set():
        errors.print(
            f"{sent.due - sent.messages} messages were due and not sent: too much for this client or its broker"
        )
    if sent.waiting:
        fail(f"{sent.waiting} messages were not acknowledged: {sent.problem or 'the broker did not say why'}")


class _Progress:
    """Says every SAY_S how the run stands, and when a burst begins or ends."""

    def __init__(self, load: "FleetLoad") -> None:
        self._load = load
        self._said: Sent | None = None
        edges = [(b.at, f"burst × {b.factor:g} begins") for b in load.bursts]
        self._edges = sorted([*edges, *((b.end, f"burst × {b.factor:g} ends") for b in load.bursts)])

    def tell(self, sent: "Sent") -> None:
        events = []
        while self._edges and self._edges[0][0] <= sent.elapsed_s:
            events.append(self._edges.pop(0)[1])
        before = self._said
        since = sent.elapsed_s - before.elapsed_s if before else math.inf
        if not events and since < SAY_S:
            return
        rate = (sent.messages - before.messages) / since if before and since > 0 else None
        console.print(
            LINE.format(
                f"{sent.elapsed_s:.1f}",
                f"{self._load.rate(sent.elapsed_s):.0f}",
                "–" if rate is None else f"{rate:.0f}",
                sent.messages,
                sent.waiting,
                "; ".join([*events, *([sent.problem] if sent.problem else [])]),
            ),
            markup=False,
        )
        self._said = sent


take_flags(devices, DevicesSettings, without=NO_FLAGS)
