"""What ``sparkiot calibrate`` measures with: real Spark on the embedded cluster, and the real shuffle tiers.

Fits, replay, file and report are in ``sparkiot_sim.calibrate``.
"""
