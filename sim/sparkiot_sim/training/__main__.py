"""``python -m sparkiot_sim.training all``: train the policies and store them where the package ships them."""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.library import FOLDER
from sparkiot_policies.manifest import Manifest

from . import familiar, meta, realistic, strangeness, thesis, thesis_meta
from .familiar import familiarise
from .ppo import PpoSettings
from .td3 import Td3Settings

WORK = Path(".cache/training")
PARTS = ("thesis", "thesis-meta", "realistic", "meta")
FAMILIARITY = "familiarity"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sparkiot_sim.training", description=__doc__)
    parser.add_argument(
        "part",
        choices=[*PARTS, "all", FAMILIARITY],
        help="thesis-meta and meta train over the policies of thesis and realistic that the folder holds;"
        f" {FAMILIARITY} trains nothing: it measures anew what the policy of realistic was trained on",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="holds one artifact each (default: the package's)")
    parser.add_argument("--work", type=Path, default=WORK, help=f"holds checkpoints and curves (default: {WORK})")
    parser.add_argument("--curves", type=Path, help="folder that gets the learning curves, as training-PART.png")
    parser.add_argument("--fresh", action="store_true", help="begin anew instead of going on from a checkpoint")
    parser.add_argument("--seed", type=int, help="of everything random (default: each part's own)")
    arguments = parser.parse_args()
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
