"""The soak: an hour or two of many accelerated jobs, and whether anything grows, drifts or storms meanwhile."""
