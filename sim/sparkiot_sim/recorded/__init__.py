"""A live job's decisions, as an audit log keeps them, played again in the simulator: the load that arrived, what the
edge announced, and a cluster fitted to what batches took. Under another policy it says what that would have come to;
under the recorded allocations, how far the model is from what happened."""
