"""Groups of topics: how many messages each has, and when it has something to say. Pure; clocks are arguments."""

import math
import re
from dataclasses import dataclass

from .predictors.base import Prediction, Predictor, Timing
from .signal import GROWN, SCHEMA, Signal

NAME = re.compile(r"^[A-Za-z0-9][\w.-]{0,31}$")


@dataclass(frozen=True, slots=True)
class TopicGroup:
    """name: of the group, and part of its signals' topic and source. topics: MQTT filters. Raises ValueError."""

    name: str
    topics: tuple[str, ...]

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise ValueError(f"group {self.name!r} must be up to 32 letters, digits, '.', '_' or '-'")
        if not self.topics or not all(self.topics):
            raise ValueError(f"group {self.name}: a topic filter is missing")

    @classmethod
    def parse(cls, text: str) -> "TopicGroup":
        """``NAME=FILTER[,FILTER…]``."""
        name, _, topics = text.partition("=")
        return cls(name, tuple(topic.strip() for topic in topics.split(",")))


class GroupMonitor:
    """Counts the messages of one group and announces what it predicts.

    publish_every_s: seconds between two signals. One whose alarm is another than the last one's does not wait, nor does
    one that announces a burst GROWN beyond what the last one said.
    """

    def __init__(
        self, *, source: str, model: str, predictor: Predictor, timing: Timing, publish_every_s: float
    ) -> None:
        self._source = source
        self._model = model
        self._predictor = predictor
        self._timing = timing
        self._publish_every_s = publish_every_s
        self._seen = 0
        self._at: float | None = None
        self._said_at = -math.inf
        self._said: Prediction | None = None
        self.messages = 0

    def count(self) -> None:
        """One more message. Called by a single thread, beside the one that ticks."""
        self.messages += 1

    def pause(self) -> None:
        """Nothing can be counted now: what was not measured is missing, and is not zero messages."""
        self._at = None

    def tick(self, *, now: float, elapsed: float) -> Signal | None:
        """What is to be announced, if anything.

        now: epoch seconds, which are only told and never subtracted. elapsed: seconds of a clock that is never set.
        """
        before, self._at = self._at, elapsed
        count, self._seen = self.messages - self._seen, self.messages
        if before is None or elapsed <= before:
            return None
        prediction = self._predictor.observe(count / (elapsed - before), now=now)
        if prediction is None:
            return None
        if elapsed - self._said_at < self._publish_every_s and not _news(prediction, self._said):
            return None
        self._said_at, self._said = elapsed, prediction
        return Signal(
            schema=SCHEMA,
            time=now,
            horizon=self._timing.horizon_s,
            predictedRate=prediction.rate,
            probability=prediction.probability,
            alarm=prediction.alarm,
            model=self._model,
            source=self._source,
        )


def _news(prediction: Prediction, said: Prediction | None) -> bool:
    """Whether it must be told at once, after what was said last."""
    if said is None or prediction.alarm != said.alarm:
        return True
    return prediction.alarm and prediction.rate > GROWN * said.rate
