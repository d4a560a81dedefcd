"""Waiting for a condition."""

import time


def until(condition, what, seconds=60, every=0.1):
    """Waits until `condition` gives something true, and returns that. `what` names it in the timeout error."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(every)
    return found
