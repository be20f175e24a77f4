"""What ``sparkiot evaluate-cluster`` does: a tournament's matches as custom resources, and a comparison of what the
operator decided with what the same matches come to offline."""
