"""A policy on trial beside a rule: what it would decide, what that would have come to, and when it is promoted.

observed.py     a load that becomes known as it goes
fitted.py       from what is measured of a job to a cluster model of it
twins.py        two models of one job: one under the rule's allocations, one under the policy's
trial.py        the policy's own decisions, the evidence, the standing
"""
