"""Hyperparameters that run linearly from the first to the last step."""


def between(ends: tuple[float, float], left: float) -> float:
    """The value when ``left`` of the training remains, 1 to 0."""
    return ends[1] + (ends[0] - ends[1]) * left
