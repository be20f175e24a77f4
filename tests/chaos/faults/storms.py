"""Requests that the API server answers with 409, 429 or 500, many of them."""

from typing import ClassVar

from chaos.faults.base import Fault
from chaos.schedule import Kind

LASTS = (4.0, 8.0)


class Storm(Fault):
    """code: what is answered. share: of the requests that it could be answered to."""

    code: ClassVar[int]
    share: ClassVar[float]

    def inject(self) -> None:
        self._before = self.world.proxy.met.get(str(self.code), 0)
        self.world.proxy.weather.storms[self.code] = self.share

    def heal(self) -> None:
        self.world.proxy.weather.storms.pop(self.code, None)

    def met(self) -> bool:
        return self.world.proxy.met.get(str(self.code), 0) > self._before


class ConflictStorm(Storm):
    """Whatever would change something."""

    kind = Kind("storm-409", frozenset({"409"}), *LASTS)
    about = "60 % of all changes are answered with 409"
    code, share = 409, 0.6


class ThrottleStorm(Storm):
    """As API Priority and Fairness does it."""

    kind = Kind("storm-429", frozenset({"429"}), *LASTS)
    about = "60 % of all requests are answered with 429"
    code, share = 429, 0.6


class ErrorStorm(Storm):
    """As etcd's leader is elected."""

    kind = Kind("storm-500", frozenset({"500"}), *LASTS)
    about = "60 % of all requests are answered with 500"
    code, share = 500, 0.6
