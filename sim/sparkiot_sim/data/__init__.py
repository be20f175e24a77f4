"""The load that ships with the project: a day of city traffic, made by this project's own generator.

python -m sparkiot_sim.data        # writes city_traffic.csv anew
"""

from datetime import UTC, datetime
from pathlib import Path

from sparkiot_sim.generators import Kind, generate

CITY_TRAFFIC = Path(__file__).with_name("city_traffic.csv")
SEED = 20260107
MEAN_RATE = 600.0
"""Messages/s."""
STEP_S = 300.0
START = datetime(2026, 1, 7, tzinfo=UTC)
"""A Wednesday: both rush hours are there."""


def render() -> str:
    """The text of CITY_TRAFFIC."""
    load = generate(
        Kind.SMART_CITY, mean_rate=MEAN_RATE, duration_s=86400.0, step_s=STEP_S, seed=SEED, start=START.timestamp()
    )
    rows = (
        f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ},{rate:.1f}"
        for time, rate in zip(load.times, load.rates, strict=True)
    )
    return "\n".join(("timestamp,value", *rows)) + "\n"
