"""``python3 -m sparkiot_driver MAIN_FILE ARGUMENTS...``: the command of a driver pod's container."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path

from sparkiot_driver import config, failure
from sparkiot_driver.supervisor import CONFIGURATION, Ending, Supervisor

log = logging.getLogger("sparkiot_driver")


def main(arguments: list[str]) -> int:
    logging.basicConfig(format="sparkiot %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    if not arguments:
        sys.stderr.write("usage: python3 -m sparkiot_driver MAIN_FILE ARGUMENTS...\n")
        return 2
    termination_log: str | None = os.environ.get("SPARKIOT_TERMINATION_LOG")
    try:
        settings = config.load(os.environ)
    except config.InvalidConfigurationError as error:
        return _end(Ending(CONFIGURATION, "InvalidConfiguration", str(error)), termination_log)
    if not Path(arguments[0]).is_file():
        message = f"the image has no file {arguments[0]}: correct spec.application.mainApplicationFile"
        return _end(Ending(CONFIGURATION, "MainFileNotFound", message), termination_log)
    supervisor = Supervisor(settings, [str(Path(arguments[0]).resolve()), *arguments[1:]])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: supervisor.terminate())
    return _end(supervisor.run(), termination_log)


def _end(ending: Ending, termination_log: str | None) -> int:
    """Leave the cause where Kubernetes shows it."""
    if ending.reason:
        log.error("%s: %s", ending.reason, ending.message)
        if termination_log:
            content = {"reason": ending.reason, "message": failure.shorten(ending.message)}
            try:
                Path(termination_log).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            except OSError as error:
                log.warning("cannot write %s: %s", termination_log, error)
    return ending.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
