"""Whether the job's shuffle tiers work from here: ``python3 -m sparkiot_driver.tier_check JOB_FILE`` prints it as JSON.

A process of its own, so that the clients of the tiers take no memory beside Spark once it has ended. It runs with the
credentials, the network and the mounts that the job has, which the operator need not have.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Mapping

from sparkiot_tiers.config import TierConfig, open_store, parse
from sparkiot_tiers.errors import TierError

MISSING_PACKAGE = "MissingPackage"


def check(config: TierConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """One tier: its name, and reason and message of what is wrong with it, both None when it works."""
    try:
        store = open_store(config, environ)
        try:
            store.check()
        finally:
            store.close()
    except TierError as error:
        return {"tier": config.tier, "reason": error.reason, "message": str(error)}
    except ImportError as error:
        message = f"the image has no Python package {error.name}: install it for driver and executors"
        return {"tier": config.tier, "reason": MISSING_PACKAGE, "message": message}
    return {"tier": config.tier, "reason": None, "message": None}


def main(arguments: list[str]) -> int:
    document = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))["shuffle"]
    print(json.dumps([check(config, os.environ) for config in parse(document)]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
