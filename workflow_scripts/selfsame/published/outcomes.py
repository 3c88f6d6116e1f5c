"""What a test says of a contrast, and what becomes of a published conclusion under another one."""

import math

WORSE, BETTER, UNDECIDED = "worse", "better", "undecided"
# What becomes of the published conclusion under our statistics.
KEPT, FOUND, TURNED = "as published", "newly shown", "sign turns"
LOST, CORRECTED = "not shown", "not shown once corrected"  # the latter: only Holm's p is too large
NO_TEST, NO_ESTIMATE = "no published test", "not estimable"


def call(difference: float, p_value: float, alpha: float) -> str | None:
    """What a test says; None where there is no test."""
    if math.isnan(p_value):
        return None
    if p_value >= alpha:
        return UNDECIDED
    return WORSE if difference > 0 else BETTER


def outcome(published: str | None, ours: str | None, uncorrected: str | None, turned: bool) -> str:
    """What becomes of a published call. turned: the two point estimates differ in sign."""
    if ours is None:
        return NO_ESTIMATE
    if published is None:
        return NO_TEST
    clear = (published != UNDECIDED, ours != UNDECIDED)
    if turned and any(clear):
        return TURNED
    if clear == (True, False):
        return LOST if uncorrected == UNDECIDED else CORRECTED
    return FOUND if clear == (False, True) else KEPT
