"""An allocation as a status shows it."""

from pydantic import Field

from sparkiot_policies.allocation import Compression, Tier

from .base import Model


class AllocationStatus(Model):
    executors: int = Field(description="Number of executors.")
    memory: str = Field(description="Memory of one executor.")
    tier: Tier = Field(description="Shuffle tier.")
    compression: Compression = Field(description="Compression of shuffle blocks.")
