"""Simulated devices: how much they send, what they send, and the sending of it to a real broker."""
