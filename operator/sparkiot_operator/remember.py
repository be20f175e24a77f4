"""What a decision leaves for whoever asks later: a line of the audit log, a point of the built-in page's timeline."""

import logging

from sparkiot_policies.policy import Policy

from .audit import AuditRecord
from .services import Services

LOGGER = logging.getLogger(__name__)


def remember(services: Services, record: AuditRecord, rule: Policy) -> None:
    """rule: what acts where the policy may not. What cannot be kept is logged, and costs the job nothing."""
    job = str(record.ref)
    if services.timelines is not None:
        try:
            services.timelines.record(record, rule)
        except Exception:  # what a page shows must not cost a job its cycle
            LOGGER.exception("%s: a decision is missing on the dashboard", job, extra={"job": job})
    audit = services.audit
    if audit is None:
        return
    try:
        audit.write(record)
    except (OSError, ValueError) as error:
        services.metrics.audit_errors.inc()
        # Once, and not for every decision: it may be the same disk that the log of this process is on.
        if not audit.failing:
            LOGGER.warning("decisions are missing in the audit log, one of %s first: %s", job, error)
        audit.failing = True
        return
    if audit.failing:
        LOGGER.info("decisions are in the audit log again")
        audit.failing = False
