"""Where device messages go: one file a kind of sink."""
