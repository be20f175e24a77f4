"""The decision: observation, allocation, objectives, policies and the safety envelope.

Nothing in this package reads a clock, a socket, Kubernetes or Spark, so that the same code decides live, in the
simulator, in the evaluation of a training run and in the replay of an audit log.
"""
