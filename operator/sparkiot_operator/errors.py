"""The errors of the operator.

OperatorError
├── StartupError            the operator cannot start; the message says what to do, the command exits with its code
│   ├── KubeconfigError     no kubeconfig or service account, or one that cannot be read
│   └── PortInUseError      the health and metrics port is taken
├── BackendError            a job's backend
│   ├── BackendRefusedError     it cannot run this job until the spec or its inputs change: permanent
│   └── BackendFailedError      it did not answer this time: temporary
├── InstallationError       an installed operator does not do what it should
├── CalibrateError          a calibration cannot measure what it was asked to
├── DriverError             the endpoint of a job's driver
│   ├── DriverUnreachableError  no answer, or 5xx: temporary
│   └── DriverRefusedError      it answered that it will not, or nothing that can be understood
└── ApiError                the Kubernetes API
    ├── ApiUnreachableError     no answer, or 429 or 5xx: temporary
    │   └── NotLeadingError         another operator may lead: the call was not made
    ├── ApiRefusedError         4xx: repeating the same call does not help
    │   └── ApiConflictError        409: there is such an object, or it is another one than was meant
    └── ApiNotFoundError        404: the object is gone
"""


class OperatorError(Exception):
    """Base of everything the operator raises on purpose."""


class StartupError(OperatorError):
    """The operator cannot start. exit_code: of the command, after sysexits.h."""

    exit_code = 78


class KubeconfigError(StartupError):
    """There is no usable kubeconfig and no service account."""


class PortInUseError(StartupError):
    """Another process listens on the health and metrics port."""

    exit_code = 69


class BackendError(OperatorError):
    """A job's backend cannot do what it was asked. reason: of the condition that will say so."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class BackendRefusedError(BackendError):
    """Permanent until the spec, or what it refers to, changes."""


class BackendFailedError(BackendError):
    """Temporary: the next cycle tries again."""


class InstallationError(OperatorError):
    """An installed operator does not answer, or does not run a job; the message says which, and what was seen."""


class CalibrateError(OperatorError):
    """A calibration cannot go on: something is not installed, a tier does not answer, a job does not run."""


class DriverError(OperatorError):
    """A call to a driver's endpoint that failed. The message names call and address, never the token."""


class DriverUnreachableError(DriverError):
    """Temporary: connection refused, timeout or 5xx."""


class DriverRefusedError(DriverError):
    """Repeating the same call does not help. status: of the answer; None when it cannot be understood."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class ApiError(OperatorError):
    """A call to the Kubernetes API that failed. The message names the call."""


class ApiUnreachableError(ApiError):
    """Temporary: connection refused, timeout, 429 or 5xx."""


class NotLeadingError(ApiUnreachableError):
    """This operator does not surely hold the lease, so it must not act. Temporary, but not for this process."""


class ApiRefusedError(ApiError):
    """The API server refused the call; repeating it does not help."""


class ApiConflictError(ApiRefusedError):
    """There is an object of that name already, or another one than the call was meant for."""


class ApiNotFoundError(ApiError):
    """The object does not exist."""
