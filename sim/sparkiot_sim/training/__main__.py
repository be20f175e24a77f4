"""``python -m sparkiot_sim.training all``: train the policies and store them where the package ships them; ``audit
--from-audit FOLDER``: go on training one on an operator's audit log, into a new artifact."""

import argparse
import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.library import FOLDER, locate
from sparkiot_policies.manifest import Manifest

from . import familiar, from_audit, meta, realistic, strangeness, thesis, thesis_meta
from .familiar import familiarise
from .ppo import PpoSettings
from .td3 import Td3Settings
from .warm_start import read_start

WORK = Path(".cache/training")
PARTS = ("thesis", "thesis-meta", "realistic", "meta")
AUDIT = "audit"
FAMILIARITY = "familiarity"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sparkiot_sim.training", description=__doc__)
    parser.add_argument(
        "part",
        choices=[*PARTS, "all", AUDIT, FAMILIARITY],
        help="thesis-meta and meta train over the policies of thesis and realistic that the folder holds;"
        " audit goes on training a policy on an audit log;"
        f" {FAMILIARITY} trains nothing: it measures anew what the policy of realistic was trained on",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="holds one artifact each (default: the package's)")
    parser.add_argument("--work", type=Path, default=WORK, help=f"holds checkpoints and curves (default: {WORK})")
    parser.add_argument("--curves", type=Path, help="folder that gets the learning curves, as training-PART.png")
    parser.add_argument("--fresh", action="store_true", help="begin anew instead of going on from a checkpoint")
    parser.add_argument("--seed", type=int, help="of everything random (default: each part's own)")
    audit = parser.add_argument_group("of audit")
    audit.add_argument("--from-audit", type=Path, nargs="+", help="audit files, or folders of them")
    audit.add_argument("--policy", default=realistic.NAME, help="name or path of the policy that goes on learning")
    audit.add_argument("--job", help="only this job, as NAMESPACE/NAME (default: all of the log)")
    audit.add_argument("--to", type=Path, help="folder of the new artifact (default: runs/policies/NAME-from-audit)")
    audit.add_argument("--held-out-days", type=float, default=2.0, help="last days that only the comparison sees")
    audit.add_argument("--minutes", type=float, default=math.inf, help="after which training ends (default: when done)")
    audit.add_argument("--preset", default="edge-small", help="cluster for what the log does not say")
    arguments = parser.parse_args()
    if (arguments.part == AUDIT) != bool(arguments.from_audit):
        parser.error("--from-audit belongs to audit, which needs it")
    if arguments.part == AUDIT:
        try:
            train_on_audit(arguments)
        except FileNotFoundError as error:
            sys.exit(f"error: {error.filename}: does not exist")
        except (PolicyError, ValueError) as error:
            sys.exit(f"error: {error}")
        return
    if arguments.part == FAMILIARITY:
        measure_familiarity(
            arguments.folder / realistic.NAME, familiar.SEED if arguments.seed is None else arguments.seed
        )
        return
    for part in PARTS if arguments.part == "all" else [arguments.part]:
        work = arguments.work / part
        if arguments.fresh:
            shutil.rmtree(work, ignore_errors=True)
        manifest = train(part, arguments.folder, work, arguments.seed)
        if arguments.curves:
            shutil.copyfile(work / "curve.png", arguments.curves / f"training-{part}.png")
        print(f"{arguments.folder / manifest.name}: {manifest.digest}")
        print(json.dumps(manifest.scores, indent=2))


def train_on_audit(arguments: argparse.Namespace) -> None:
    """Train, write the artifact, and say whether it helped."""
    base = locate(arguments.policy)
    start = read_start(base)
    folder = from_audit.target(arguments.to, start)
    found = from_audit.material(
        arguments.from_audit, job=arguments.job, held_out_days=arguments.held_out_days, base=arguments.preset
    )
    work = arguments.work / f"{AUDIT}-{found.fingerprint[:12]}"
    if arguments.fresh:
        shutil.rmtree(work, ignore_errors=True)
    hours = sum(scene.stretch.duration_s for scene in found.scenes) / 3600
    print(f"{', '.join(found.jobs)}: {hours:.1f} hours to train on, {len(found.held_out)} held-out pieces")
    for reason in found.left_out:
        print(f"left out: {reason}")
    settings = _seeded(from_audit.SETTINGS, arguments.seed)
    manifest = from_audit.train(found, start, folder, settings, work=work, most_minutes=arguments.minutes)
    judgement = from_audit.compare(found, base, folder)
    print(f"{folder}: {manifest.name}")
    print(judgement.text())


def measure_familiarity(folder: Path, seed: int) -> None:
    """Write what a policy was trained on into its artifact, and say what that is worth on other days."""
    manifest = familiarise(folder, seed=seed)
    print(f"{folder}: {manifest.digest}")
    policy = LearnedPolicy(load_artifact(folder))
    print(strangeness.false_alarms(policy))
    for alarms in strangeness.shifted(policy):
        print(alarms, flush=True)


def train(part: str, folder: Path, work: Path, seed: int | None) -> Manifest:
    """Train one part into a folder beneath ``folder``, with its checkpoint in ``work``."""
    match part:
        case "thesis":
            return thesis.train(folder / thesis.NAME, _seeded(thesis.SETTINGS, seed), work=work)
        case "thesis-meta":
            settings = _seeded(thesis_meta.SETTINGS, seed)
            return thesis_meta.train(folder / thesis_meta.NAME, folder / thesis.NAME, settings, work=work)
        case "realistic":
            return realistic.train(folder / realistic.NAME, _seeded(realistic.SETTINGS, seed), work=work)
        case _:
            chosen = _seeded(meta.SETTINGS, seed)
            return meta.train(folder / meta.NAME, folder / realistic.NAME, chosen, work=work)


Settings = TypeVar("Settings", PpoSettings, Td3Settings)


def _seeded(settings: Settings, seed: int | None) -> Settings:
    return settings if seed is None else replace(settings, seed=seed)


# Environments run in processes that import this module anew.
if __name__ == "__main__":
    main()
