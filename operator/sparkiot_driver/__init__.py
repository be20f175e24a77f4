"""What runs beside the user's code in a Spark driver pod: it reports to the operator and applies allocations.

It reaches any Spark image through an init container, so it needs nothing but Python 3.8 and its standard library.
"""
