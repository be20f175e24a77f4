"""The limit of the realistic arena: a clairvoyant lower bound."""

from .bound import Bound, late_batch_price, oracle

__all__ = ["Bound", "late_batch_price", "oracle"]
