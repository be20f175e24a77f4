"""Burst signals of live jobs: where they come from, and which of them are believed."""
