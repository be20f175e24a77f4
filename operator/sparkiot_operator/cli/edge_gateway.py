"""``sparkiot edge-gateway``: every setting but the password is a flag; a flag wins over its environment variable."""

import signal
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from sparkiot_edge.broker_settings import NO_FLAGS
from sparkiot_edge.settings import EdgeSettings

from .setting_flags import USAGE_ERROR, problems, take_flags

BAD_CONFIGURATION = 78


def edge_gateway(**flags: Any) -> None:
    """Measure what devices publish, predict bursts, publish signals and forward the messages, until SIGTERM or SIGINT.

    Every flag has an environment variable, SPARKIOT_EDGE_<NAME>. The password is no flag: SPARKIOT_EDGE_PASSWORD, or a
    file.
    """
    from sparkiot_edge.forwarding.spool import SpoolError
    from sparkiot_edge.gateway import Gateway, GatewayError
    from sparkiot_edge.health import HealthError
    from sparkiot_edge.kafka_options import OptionsError
    from sparkiot_edge.mqtt import BrokerError
    from sparkiot_operator.logs import configure_logs
    from sparkiot_operator.settings import LogFormat, LogLevel

    configure_logs(LogFormat.TEXT, LogLevel.INFO)
    try:
        gateway = Gateway(EdgeSettings(**{name: value for name, value in flags.items() if value not in (None, [], ())}))
    except ValidationError as error:
        _fail(f"settings: {problems(error)}", USAGE_ERROR)
    except (BrokerError, HealthError, OptionsError, SpoolError) as error:
        _fail(str(error), BAD_CONFIGURATION)
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed; pip install 'sparkiot[edge]' brings it", BAD_CONFIGURATION)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: gateway.stop())
    try:
        gateway.run()
    except GatewayError as error:
        _fail(str(error), 1)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"sparkiot edge-gateway: {message}", err=True)
    raise typer.Exit(code)


take_flags(edge_gateway, EdgeSettings, without=NO_FLAGS)
