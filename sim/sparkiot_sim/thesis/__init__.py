"""The thesis arena: a small stochastic model without provisioning delay or backlog, and its limit.

A first yardstick, vectorised; the realistic arena is the one that policies are trained for.
"""
