"""``python -m sparkiot_sim.training thesis``: train a policy and store it where the package ships it."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from sparkiot_policies.library import FOLDER

from . import thesis


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sparkiot_sim.training", description=__doc__)
    parser.add_argument("part", choices=["thesis"])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="holds one artifact each (default: the package's)")
    parser.add_argument("--seed", type=int, default=thesis.SETTINGS.seed)
    arguments = parser.parse_args()
    folder = arguments.folder / thesis.NAME
    manifest = thesis.train(folder, replace(thesis.SETTINGS, seed=arguments.seed))
    print(f"{folder}: {manifest.digest}")
    print(json.dumps(manifest.scores, indent=2))


main()
