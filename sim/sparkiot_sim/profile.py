"""What a simulated job does with a message: the parameters in which one streaming query differs from another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .calibration import calibration_with
from .generators import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProfile:
    """One streaming query.

    rate_per_executor: messages/s that one executor works off while it is busy. message_bytes: size of a message.
    shuffle_fraction: raw shuffle bytes over input bytes. state_mib: MiB of state the query keeps per message/s of load,
    over all executors. trigger_interval_s: of Spark's ProcessingTime trigger. temperature: mean probability that a
    batch's shuffle data is read again. most_rows: that a batch takes (``maxOffsetsPerTrigger``), or None for all.
    """

    rate_per_executor: float = 100.0
    message_bytes: float = 4_000.0
    shuffle_fraction: float = 0.3
    state_mib: float = 4.0
    trigger_interval_s: float = 0.5
    temperature: float = 0.5
    most_rows: float | None = 10_000.0

    def __post_init__(self) -> None:
        for name in ("rate_per_executor", "message_bytes", "trigger_interval_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be above 0")
        if self.most_rows is not None and not self.most_rows > 0:
            raise ValueError(f"most_rows is {self.most_rows}, must be above 0")
        for name in ("shuffle_fraction", "state_mib"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must not be negative")
        if not 0 <= self.temperature <= 1:
            raise ValueError(f"temperature is {self.temperature}, must be between 0 and 1")


PROFILES: Mapping[Kind, JobProfile] = {
    # Counts per street and minute: small messages, small state, results read again by dashboards.
    Kind.SMART_CITY: JobProfile(
        rate_per_executor=100, message_bytes=2_000, shuffle_fraction=0.3, state_mib=3, temperature=0.6
    ),
    # Vital signs per patient with sliding windows: much state, hot data.
    Kind.HEALTHCARE: JobProfile(
        rate_per_executor=90, message_bytes=3_000, shuffle_fraction=0.4, state_mib=8, temperature=0.8
    ),
    # Vibration spectra per machine: large messages, much shuffle, seldom read again.
    Kind.INDUSTRIAL: JobProfile(
        rate_per_executor=120, message_bytes=20_000, shuffle_fraction=0.5, state_mib=4, temperature=0.3
    ),
}
"""An example job for each kind of workload."""


def example_profile(kind: Kind, preset: str) -> JobProfile:
    """The example job of a kind, as it is set up on a preset's cluster. Raises CalibrationError for an unknown one."""
    return at_pace_of(preset, PROFILES[kind])


def at_pace_of(preset: str, profile: JobProfile) -> JobProfile:
    """The job with a trigger interval that its batches can keep on a preset's cluster: its own, or the preset's longer
    one."""
    shortest = calibration_with(preset).preset(preset).trigger_interval_s.value
    return replace(profile, trigger_interval_s=max(profile.trigger_interval_s, shortest))
