"""What a tournament plays: every entry under every load, preset and seed."""

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from sparkiot_policies.job import Job
from sparkiot_sim.generators import DAY_S, Kind
from sparkiot_sim.profile import example_profile
from sparkiot_sim.setting import INITIAL, Setting, example_objectives, standard_setting
from sparkiot_sim.workload import Workload

from .entry import Entry

HOURS_OF_SEEDS = 10
"""Consecutive seeds after which matches shorter than a day have begun at hours all over it."""
TRACE_PROFILE = Kind.SMART_CITY
"""A recording says what arrives and not what is done with it: the job that meets it is this example's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load to compare policies on: the generator of a kind, or a recording. mean_rate: messages/s."""

    source: Kind | Workload
    mean_rate: float

    @property
    def name(self) -> str:
        return self.source.value if isinstance(self.source, Kind) else self.source.name

    def setting(self, *, preset: str, seed: int, quality: str, duration_s: float) -> Setting:
        """One episode under this load; equal arguments give equal arrivals, clusters and edge signals.

        A seed generates a load of its own, a day at the least; an episode that is shorter begins at an hour that the
        seed picks, so that consecutive seeds see all of the day. Of a recording that is longer than the episode, a seed
        draws the stretch that is played; a shorter one repeats from its beginning.
        """
        if isinstance(self.source, Kind):
            whole = standard_setting(
                self.source,
                seed=seed,
                mean_rate=self.mean_rate,
                preset=preset,
                quality=quality,
                duration_s=max(duration_s, DAY_S),
            )
            hour = seed % HOURS_OF_SEEDS / HOURS_OF_SEEDS * DAY_S if duration_s < DAY_S else 0.0
            return replace(whole, start=whole.start + hour, duration_s=duration_s)
        profile = example_profile(TRACE_PROFILE, preset)
        spare_s = max(self.source.duration_s - duration_s, 0.0)
        return Setting(
            job=Job(name=f"{self.name}-{seed}", initial=INITIAL, objectives=example_objectives(profile)),
            profile=profile,
            workload=self.source.scaled(self.mean_rate),
            preset=preset,
            quality=quality,
            seed=seed,
            start=self.source.start + float(np.random.default_rng(seed).uniform(0, spare_s)),
            duration_s=duration_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What all entries meet alike: one load under one preset with one seed."""

    load: Load
    preset: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One entry's run of one round."""

    entry: Entry
    round: Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Which match an outcome is of. policy: the entry's name. mean_rate: messages/s."""

    policy: str
    workload: str
    mean_rate: float
    preset: str
    seed: int

    @classmethod
    def of(cls, match: Match) -> "Played":
        played = match.round
        return Played(
            policy=match.entry.name,
            workload=played.load.name,
            mean_rate=played.load.mean_rate,
            preset=played.preset,
            seed=played.seed,
        )

    @property
    def cell(self) -> tuple[str, float, str]:
        """Workload, messages/s and preset: what seeds share."""
        return self.workload, self.mean_rate, self.preset

    @property
    def round(self) -> tuple[str, float, str, int]:
        """Workload, messages/s, preset and seed: what all entries meet alike."""
        return (*self.cell, self.seed)

    def match(self) -> dict[str, Any]:
        """These five by name: the first columns of every row."""
        return {name: getattr(self, name) for name in Played.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tournament:
    """The whole program. presets: names of shipped ones. quality: of the edge signals. duration_s: of a match.

    Raises ValueError where nothing would be played, or something twice.
    """

    entries: tuple[Entry, ...]
    loads: tuple[Load, ...]
    presets: tuple[str, ...] = ("cloud-coldstart",)
    seeds: tuple[int, ...] = tuple(range(1, 11))
    quality: str = "measured"
    duration_s: float = DAY_S

    def __post_init__(self) -> None:
        given: dict[str, tuple[object, ...]] = {
            "policies": tuple(entry.name for entry in self.entries),
            "loads": tuple(f"{load.name} at {load.mean_rate:g} messages/s" for load in self.loads),
            "presets": self.presets,
            "seeds": self.seeds,
        }
        for what, names in given.items():
            if not names:
                raise ValueError(f"no {what}")
            if twice := [str(name) for i, name in enumerate(names) if name in names[:i]]:
                raise ValueError(f"{what}: {twice[0]} occurs twice")
        shortest = Job(name="shortest", initial=INITIAL).interval_s
        if self.duration_s < shortest:
            raise ValueError(
                f"a match of {self.duration_s:g} s is shorter than one decision interval of {shortest:g} s"
            )

    def rounds(self) -> list[Round]:
        """By load and preset, seeds innermost."""
        return [
            Round(load=load, preset=preset, seed=seed)
            for load, preset, seed in product(self.loads, self.presets, self.seeds)
        ]

    def matches(self) -> list[Match]:
        """By load, preset and entry, seeds innermost: the order of all rows."""
        return [
            Match(entry=entry, round=Round(load=load, preset=preset, seed=seed))
            for load, preset, entry, seed in product(self.loads, self.presets, self.entries, self.seeds)
        ]

    def setting(self, match: Match) -> Setting:
        """The episode of a match; of its entry, it depends on the quality of the signals alone."""
        return self.episode(match.round, quality=match.entry.signal or self.quality)

    def episode(self, played: Round, *, quality: str) -> Setting:
        """The episode of a round."""
        return played.load.setting(preset=played.preset, seed=played.seed, quality=quality, duration_s=self.duration_s)
