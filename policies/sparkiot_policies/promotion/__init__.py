"""How a policy earns a job, and how it loses it again: values and pure functions, without a clock or a model.

evidence.py     what a policy in shadow would have come to, beside the rule that acts
verdict.py      the rule that says whether that is enough
standing.py     from shadow to active and back
canary.py       a new version for a share of the jobs, and when it is withdrawn
"""
