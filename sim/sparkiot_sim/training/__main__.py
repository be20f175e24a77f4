"""``python -m sparkiot_sim.training all``: train the policies and store them where the package ships them."""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

from sparkiot_policies.library import FOLDER
from sparkiot_policies.manifest import Manifest

from . import meta, realistic, thesis

WORK = Path(".cache/training")
PARTS = ("thesis", "realistic", "meta")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sparkiot_sim.training", description=__doc__)
    parser.add_argument("part", choices=[*PARTS, "all"], help="meta trains over the realistic policy in the folder")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="holds one artifact each (default: the package's)")
    parser.add_argument("--work", type=Path, default=WORK, help=f"holds checkpoints and curves (default: {WORK})")
    parser.add_argument("--curves", type=Path, help="folder that gets the learning curves, as training-PART.png")
    parser.add_argument("--fresh", action="store_true", help="begin anew instead of going on from a checkpoint")
    parser.add_argument("--seed", type=int, help="of everything random (default: each part's own)")
    arguments = parser.parse_args()
    for part in PARTS if arguments.part == "all" else [arguments.part]:
        work = arguments.work / part
        if arguments.fresh:
            shutil.rmtree(work, ignore_errors=True)
        manifest = train(part, arguments.folder, work, arguments.seed)
        if arguments.curves:
            shutil.copyfile(work / "curve.png", arguments.curves / f"training-{part}.png")
        print(f"{arguments.folder / manifest.name}: {manifest.digest}")
        print(json.dumps(manifest.scores, indent=2))


def train(part: str, folder: Path, work: Path, seed: int | None) -> Manifest:
    """Train one part into a folder beneath ``folder``, with its checkpoint in ``work``."""
    match part:
        case "thesis":
            settings = thesis.SETTINGS if seed is None else replace(thesis.SETTINGS, seed=seed)
            return thesis.train(folder / thesis.NAME, settings, work=work)
        case "realistic":
            settings = realistic.SETTINGS if seed is None else replace(realistic.SETTINGS, seed=seed)
            return realistic.train(folder / realistic.NAME, settings, work=work)
        case _:
            chosen = meta.SETTINGS if seed is None else replace(meta.SETTINGS, seed=seed)
            return meta.train(folder / meta.NAME, folder / realistic.NAME, chosen, work=work)


# Environments run in processes that import this module anew.
if __name__ == "__main__":
    main()
