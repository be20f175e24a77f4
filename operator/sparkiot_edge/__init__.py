"""The edge gateway: what it measures beside the devices' broker, what it predicts, and the signal that says so."""
