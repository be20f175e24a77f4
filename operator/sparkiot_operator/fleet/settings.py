"""What a fleet of simulated devices is told, from flags or the environment (``SPARKIOT_DEVICES_…``)."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from sparkiot_edge.broker_settings import BrokerSettings
from sparkiot_sim.generators import Kind, generate
from sparkiot_sim.trace import read_trace
from sparkiot_sim.workload import Workload

from .load import Burst, FleetLoad

LEAST_GENERATED_S = 60.0


class DevicesSettings(BrokerSettings):
    """Frozen. Lists are JSON in the environment (``SPARKIOT_DEVICES_BURSTS='["30:4:20"]'``)."""

    model_config = SettingsConfigDict(
        env_prefix="SPARKIOT_DEVICES_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    kind: Kind = Field(Kind.SMART_CITY, description="Which system sends: its topics, its readings and its load.")
    count: int = Field(2000, ge=1, le=1_000_000, description="How many devices there are; they share one connection.")
    rate: float = Field(100.0, gt=0, le=100_000, description="Messages a second, on average and without bursts.")
    seconds: float = Field(60.0, gt=0, le=86_400, description="How long they send.")
    bursts: list[str] = Field(
        [], description="AT:FACTOR[:SECONDS]: from second AT the load is so many times what it would be, for 30 s."
    )
    trace: Path | None = Field(None, description="CSV with timestamp and value whose shape the load has instead.")
    speed: float = Field(1.0, gt=0, le=1e6, description="Seconds of the trace that pass in one second.")
    repeat: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the messages that is sent a second time, as after a lost acknowledgement.",
    )
    seed: int = Field(1, ge=0, description="The same seed gives the same load and the same readings.")
    first_id: int | None = Field(
        None,
        ge=0,
        le=2**62,
        description="Id of the first message; the next has one more. By default above those of every earlier run.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for burst in map(Burst.parse, self.bursts):
            if burst.at >= self.seconds:
                raise ValueError(f"a burst at {burst.at:g} s does not come: devices send for {self.seconds:g} s")
        if self.speed != 1 and self.trace is None:
            raise ValueError("a speed needs a trace")
        return self

    def load(self, *, start: float) -> FleetLoad:
        """start: epoch seconds; a generated load has the time of day. Raises TraceError."""
        return FleetLoad(self._workload(start), [Burst.parse(text) for text in self.bursts], speed=self.speed)

    def _workload(self, start: float) -> Workload:
        if self.trace is not None:
            return read_trace(self.trace).workload.scaled(self.rate)
        duration = max(self.seconds, LEAST_GENERATED_S)
        return generate(self.kind, mean_rate=self.rate, duration_s=duration, step_s=1.0, seed=self.seed, start=start)
