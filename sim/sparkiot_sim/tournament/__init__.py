"""Policies against each other on identical loads, clusters and edge signals, and what is written about it.

``matches`` says what is played, ``play`` plays it over processes, ``statistics`` makes rows with confidence intervals
of it, ``report`` and ``pictures`` write files, ``thesis`` sets the thesis arena beside its published figures.
"""
