"""Live jobs on Spark, as pure functions: what their objects look like, what their pods and drivers say, what is next.

naming, manifests   the objects of a job, from its spec; pod, executor, access, config and properties are their parts
validation          what of a spec is refused beforehand
restart_fields      which edits make a driver restart
diagnosis           from a list of pods to how driver and executors are; causes has the words
lifecycle           what to do about the driver pod, by restart_policy
report              what a driver says; measurement turns it into what decisions know
"""
