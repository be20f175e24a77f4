"""How good the edge's predictors are on loads whose bursts are known, and how the learned one gets its numbers."""
