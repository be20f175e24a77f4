"""Loads, cluster models, environments and training. Importing it registers the Gymnasium environments."""

import gymnasium

gymnasium.register(id="sparkiot/Thesis-v0", entry_point="sparkiot_sim.thesis.env:ThesisEnv")
gymnasium.register(id="sparkiot/Cluster-v0", entry_point="sparkiot_sim.arena:ClusterEnv")
