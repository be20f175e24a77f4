"""What a training has reached, on disk, so that one that was killed goes on from there.

A run that goes on meets other episodes than one that ran through, as environments begin anew; it ends after as many
steps. The manifest says how often that happened.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import JsonValue
from stable_baselines3.common.base_class import BaseAlgorithm

STATE = "state.json"
MODEL = "model.zip"
EVERY = 5
"""Updates between two saves."""
UPDATES = "updates"
"""The stage in which the algorithm itself learns; what comes before names its own stages."""

Row = dict[str, float]


class Clock:
    """Minutes of a training over all its runs. before: of those that were killed."""

    def __init__(self, before: float) -> None:
        self._before = before
        self._begun = time.perf_counter()

    @property
    def minutes(self) -> float:
        return self._before + (time.perf_counter() - self._begun) / 60


@dataclass(slots=True)
class Checkpoint:
    """A folder of one part's training under one set of settings.

    settings: all that the outcome depends on; a folder of other settings is begun anew. curve: a row for each update.
    stage: the last stage before the updates that is done, "" for none. resumed: how often a killed run went on.
    """

    folder: Path
    settings: Mapping[str, JsonValue]
    stage: str = ""
    steps: int = 0
    resumed: int = 0
    minutes: float = 0.0
    curve: list[Row] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, JsonValue]) -> "Checkpoint":
        """What is there of these settings, or nothing done yet."""
        begun = cls(folder, json.loads(json.dumps(settings)))
        kept = json.loads((folder / STATE).read_text(encoding="utf-8")) if (folder / STATE).is_file() else {}
        if kept.pop("settings", None) != begun.settings:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            begun._write()
            return begun
        return cls(folder, begun.settings, **{**kept, "resumed": kept["resumed"] + 1})

    def restore(self, model: BaseAlgorithm) -> None:
        """Give a fresh model the parameters, optimisers and steps of the saved one."""
        model.set_parameters(str(self.folder / MODEL), device="cpu")
        model.num_timesteps = self.steps

    def save(self, model: BaseAlgorithm, *, stage: str, minutes: float) -> None:
        """Keep a model. The state names only what is whole: it is written last, and replaced in one step."""
        self.stage, self.steps, self.minutes = stage, model.num_timesteps, minutes
        model.save(self.folder / "next.zip")
        (self.folder / "next.zip").replace(self.folder / MODEL)
        self._write()

    def _write(self) -> None:
        state = asdict(self)
        del state["folder"]
        (self.folder / "next.json").write_text(json.dumps(state), encoding="utf-8")
        (self.folder / "next.json").replace(self.folder / STATE)
