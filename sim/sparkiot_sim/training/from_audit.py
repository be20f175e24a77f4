"""Fine-tuning on a log of decisions: the shipped policy goes on learning on the loads and the cluster that it met.

Imitation of the teacher on states that the policy itself leads to, then PPO, as for the shipped policy
(``realistic.py``), but briefly and at small steps from the network that is there. The last days of the log are held
out; ``judge.py`` says on them whether it helped.
"""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from stable_baselines3 import PPO

from sparkiot_policies import library
from sparkiot_policies.artifact import load_artifact, update_scores
from sparkiot_policies.decision_log import read_log
from sparkiot_policies.features import Features
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.manifest import MANIFEST_FILE, NAME_PATTERN, Manifest, Range
from sparkiot_policies.observation import names
from sparkiot_policies.options import ExecutorOptions
from sparkiot_policies.rules import rule
from sparkiot_sim.arena import SCHEMA
from sparkiot_sim.generators import DAY_S
from sparkiot_sim.recorded.course import Course, Stretch
from sparkiot_sim.recorded.fit import FitError, fit

from . import realistic
from .checkpoint import Checkpoint
from .cluster_batch import ClusterBatch
from .judge import Judgement, Piece, judge, pieces
from .ppo import PpoSettings, train_ppo
from .pretrain import PretrainSettings, met, pretrain
from .recorded_episodes import RecordedEpisodes, Scene
from .vec_env import Observations
from .warm_start import Start, start_from

SETTINGS = PpoSettings(
    total_steps=30_000,
    rollout_steps=64,
    batch_size=512,
    epochs=4,
    learning_rate=(1e-4, 1e-5),
    entropy=(0.0, 0.0),
    gamma=0.97,
    clip=0.1,
    hidden=(128, 128),
    seed=1,
)
IMITATION = PretrainSettings(
    rounds=1,
    teacher_first=False,
    steps=180,
    ask_every=3,
    epochs=6,
    learning_rate=2e-4,
    weight_decay=0.0,
    batch_size=256,
)
"""Of little: it is there to fit the critic, which no artifact keeps, and to correct what is plainly wrong."""
ENVIRONMENTS = 24
NAME_SUFFIX = "-from-audit"


class AuditTrainingError(ValueError):
    """A log cannot be trained on, or the artifact may not be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a log gives: episodes to train on, pieces to judge by. fingerprint: of the numbers of all of it. jobs: that
    it is of. left_out: jobs that could not be used, with the reason."""

    scenes: tuple[Scene, ...]
    held_out: tuple[Piece, ...]
    fingerprint: str
    jobs: tuple[str, ...]
    left_out: tuple[str, ...]


def material(paths: Sequence[Path], *, job: str | None, held_out_days: float, base: str) -> Material:
    """Read a log and cut its end off. held_out_days: of each job. base: preset for what the log does not say.

    Raises AuditTrainingError without anything to train on, LogError, FileNotFoundError.
    """
    courses: dict[str, Course] = {}
    for logged in read_log(paths, job=job):
        courses.setdefault(logged.ref, Course()).add(logged.job, logged.evaluation, logged.decision)
    scenes: list[Scene] = []
    held_out: list[Piece] = []
    used, left_out, print_of = [], [], hashlib.sha256()
    for ref, course in courses.items():
        stretches = course.stretches()
        cut = course.end - held_out_days * DAY_S
        training, later = _split(stretches, cut)
        try:
            fitted = fit(training, base=base)
        except FitError as error:
            left_out.append(f"{ref}: {error}")
            continue
        found = pieces(later, fitted)
        if not found:
            left_out.append(f"{ref}: none of its last {held_out_days:g} days is long enough to compare on")
            continue
        scenes += [Scene.of(stretch, fitted) for stretch in training]
        held_out += found
        used.append(ref)
        for stretch in stretches:
            for column in stretch.columns.values():
                print_of.update(column.tobytes())
    if not scenes:
        reasons = "; ".join(left_out) or f"no decision of {job or 'any job'} in {', '.join(map(str, paths))}"
        raise AuditTrainingError(
            f"nothing to train on: {reasons}. A log of more days, or fewer --held-out-days, may help"
        )
    return Material(tuple(scenes), tuple(held_out), print_of.hexdigest(), tuple(used), tuple(left_out))


def target(to: Path | None, start: Start) -> Path:
    """Where the artifact goes. Raises AuditTrainingError where one is, and for the package's own folder."""
    folder = to or Path("runs/policies") / f"{start.manifest.name}{NAME_SUFFIX}"
    if library.FOLDER.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise AuditTrainingError(
            f"{folder}: the package's own policies are not replaced; name another folder with --to"
        )
    if not re.fullmatch(NAME_PATTERN, folder.name):
        raise AuditTrainingError(f"{folder}: its last part names the policy, in lower case letters, digits and dashes")
    if (folder / MANIFEST_FILE).exists():
        raise AuditTrainingError(f"{folder}: there is an artifact already; remove it, or name another folder with --to")
    return folder


def train(
    found: Material,
    start: Start,
    folder: Path,
    settings: PpoSettings = SETTINGS,
    *,
    imitation: PretrainSettings = IMITATION,
    environments: int = ENVIRONMENTS,
    work: Path,
    most_minutes: float = math.inf,
    progress: bool = True,
) -> Manifest:
    """Go on training ``start`` on the material and write a new artifact. Raises AuditTrainingError for a policy whose
    inputs or options are not those of the shipped one."""
    manifest = start.manifest
    if manifest.observation_schema != SCHEMA or manifest.executors != realistic.executors():
        raise AuditTrainingError(
            f"policy {manifest.name}: only one of observation version {SCHEMA} with the shipped policy's executor"
            " options can go on learning"
        )
    inputs, options = Features(names(SCHEMA), manifest.features), ExecutorOptions(names(SCHEMA), manifest.executors)
    report: Callable[[str], None] = print if progress else lambda _: None
    with ClusterBatch(
        settings.seed,
        options=options,
        usual=realistic.usual,
        count=environments,
        processes=1,
        episodes=RecordedEpisodes(found.scenes),
    ) as batch:

        def prepare(model: PPO, checkpoint: Checkpoint) -> None:
            start_from(model, start.network)
            pretrain(model, batch, inputs, imitation, checkpoint, report=report)

        return train_ppo(
            lambda _: batch,
            settings,
            folder=folder,
            name=folder.name,
            observation_schema=SCHEMA,
            features=manifest.features,
            executors=manifest.executors,
            ranges=lambda: _widened(manifest.ranges, met(work)),
            training={
                "command": f"python -m sparkiot_sim.training audit --seed {settings.seed}",
                "arena": "recorded",
                "log": found.fingerprint,
                "jobs": list(found.jobs),
                "from": manifest.digest,
                "imitation": asdict(imitation),
            },
            work=work,
            prepare=prepare,
            most_minutes=most_minutes,
            progress=progress,
        )


def compare(found: Material, before: Path, after: Path, *, report: Callable[[str], None] = print) -> Judgement:
    """Say whether it helped, and write that into the manifest of ``after``."""
    policies = [LearnedPolicy(load_artifact(path)) for path in (before, after)]
    free = any(piece.stretch.job.objectives.weights is None for piece in found.held_out)
    meta = LearnedMetaController(library.load("default-meta")) if free else None
    judgement = judge(found.held_out, policies[0], policies[1], fallback=rule("Rate"), meta=meta, report=report)
    update_scores(after, judgement.to_dict())
    return judgement


def _split(stretches: Sequence[Stretch], cut: float) -> tuple[list[Stretch], list[Stretch]]:
    """What lies before a time, and what after."""
    before = [part for s in stretches if (part := s.between(-math.inf, cut)) is not None]
    after = [part for s in stretches if (part := s.between(cut, math.inf)) is not None]
    return before, after


def _widened(ranges: dict[str, Range], seen: Observations) -> dict[str, Range]:
    """The ranges that the policy brings, with what this training met: it has forgotten little of the rest."""
    columns = dict(zip(names(SCHEMA), seen.T, strict=True))
    return {
        name: Range(
            low=None if old.low is None else min(old.low, float(np.min(columns[name]))),
            high=None if old.high is None else max(old.high, float(np.max(columns[name]))),
        )
        for name, old in ranges.items()
    }
