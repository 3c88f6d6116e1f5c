"""Two accounts of the answers that could not be read.

`all`: of all answers, an unread one counted as wrong. So the publication counts. `valid`: of the
answers that could be read, the others left out; their share stands beside it. Where fewer than
LEAST_VALID of a state's answers could be read, what is left is a selection and not a sample, and
the second account has no figure.
"""

from selfsame.statistics.tally import Tally

ALL, VALID = "all", "valid"
ACCOUNTS = (ALL, VALID)
LEAST_VALID = 0.5
METRIC = "accuracy"  # of our probes of kind choice, and of published answers


def right(tally: Tally, probe: str) -> Tally:
    """The part of a tally that holds the right answers to a probe of kind choice."""
    return Tally(tally.cells[tally.cells["metric"] == f"{probe}.{METRIC}"], tally.questions)


def untruthful(tally: Tally, account: str) -> Tally:
    """Cells of wrong answers from cells of right ones, by one account."""
    cells = tally.cells
    counted = cells["n"] if account == ALL else cells["n_valid"]
    return Tally(cells.assign(total=counted - cells["total"], counted=counted), tally.questions)
