"""Policies against each other on identical loads, clusters and edge signals, and what is written about it.

``entry`` says who plays and ``matches`` what, ``play`` what a match comes to, ``processes`` spreads matches over cores,
``limit`` solves the oracle's. ``statistics`` makes rows with confidence intervals, ``paired`` differences. The studies:
``fronts`` and ``sweep``, ``ablations``, ``shifts``. ``sections``, ``report`` and the pictures say it to people and
machines; ``gate`` guards the shipped policies, ``thesis`` sets the thesis arena beside its published figures.
"""
