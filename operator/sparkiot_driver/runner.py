"""What spark-submit runs: ``runner.py MAIN_FILE ARGUMENTS...``. It runs the user's file unchanged beside the agent."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

EXIT_CONFIGURATION = 78


def main(arguments: list[str]) -> int:
    import pyspark

    from sparkiot_driver import failure
    from sparkiot_driver.agent import Agent
    from sparkiot_driver.channel import Channel
    from sparkiot_driver.lifeline import die_with_parent
    from sparkiot_driver.versions import mismatch

    die_with_parent(os.getppid())
    channel = Channel.connect(os.environ.pop("SPARKIOT_SOCKET"))
    wrong = mismatch(pyspark.__version__, os.environ.pop("SPARKIOT_SPARK_VERSION"))
    if wrong:
        channel.send({"type": "failed", "reason": "SparkVersionMismatch", "message": wrong})
        return EXIT_CONFIGURATION
    agent = Agent(channel)
    agent.start()
    file = arguments[0]
    sys.argv[:] = arguments
    code = 0
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        if code and not agent.stopping.is_set():
            said = "" if isinstance(exit_.code, int) else f": {exit_.code}"
            message = f"{file} exited with code {code}{said}"
            channel.send({"type": "failed", "reason": "ApplicationFailed", "message": failure.shorten(message)})
    except BaseException as error:  # noqa: BLE001 - what the user's file raises is its failure
        code = 1
        if not agent.stopping.is_set():
            sys.stderr.write(failure.user_traceback(error, __file__))
            channel.send({"type": "failed", "reason": "ApplicationFailed", "message": failure.describe(error)})
    if agent.stopping.is_set():
        agent.wait()
    return code


if __name__ == "__main__":
    # As spark-submit would have it for the user's own file; this package must not lend its modules' plain names.
    sys.path[0] = str(Path(sys.argv[1]).resolve().parent)
    sys.exit(main(sys.argv[1:]))
