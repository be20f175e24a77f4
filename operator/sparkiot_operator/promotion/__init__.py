"""Promotion and canary of live and simulated jobs: thin edges around ``sparkiot_sim.shadow`` and
``sparkiot_policies.promotion``.

    terms.py      from spec to terms
    job_trial.py  the trial of one job: made, taken up again, and made anew for another version
    job_promotion.py   who acts for one job
    job_canary.py what one job does in a canary; board.py: what the jobs of a canary know of each other
    view.py       what a cycle shows of both
    stored.py     to status and back
    findings.py   conditions
"""
