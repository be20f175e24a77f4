"""The decision: observation, allocation, objectives, policies and the safety envelope.

Nothing in this package reads a clock, a socket, Kubernetes or Spark, so that the same code decides live, in the
simulator, in the evaluation of a training run and in the replay of an audit log.
"""

import os

# Before anything imports onnxruntime: its releases since 1.29 otherwise report processes and models to their vendor,
# and keep a device's id in the home folder (https://github.com/microsoft/onnxruntime/pull/27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
