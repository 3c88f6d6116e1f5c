"""What one run of the workflow may still spend on a judge, counted over all of its jobs.

The count lies in a file of the run's own beside the stored replies, which every job locks while it
counts. A step that is run by hand is a run of its own.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from selfsame.attempts import CALL
from selfsame.digests import sha256_text
from selfsame.errors import UserError
from selfsame.judging.settings import Budget
from selfsame.locks import locked

SPENT = "spent"


@dataclass(frozen=True)
class Ledger:
    """The count of one judge in one run; `file` is made on first use."""

    judge: str
    budget: Budget
    file: Path

    def claim(self) -> None:
        """Count one request, which may then be made. Raises UserError where the budget is used up.

        Requests that are under way already may still bring more tokens than the budget has.
        """
        self._count(requests=1)

    def add_tokens(self, tokens: int) -> None:
        """Count what a reply has cost."""
        self._count(tokens=tokens)

    def _count(self, requests: int = 0, tokens: int = 0) -> None:
        if self.budget == Budget():
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.file) as file:
            file.seek(0)
            spent = json.loads(file.read() or '{"requests": 0, "tokens": 0}')
            if requests:
                self._refuse(spent)
            now = {
                "requests": spent["requests"] + requests,
                "tokens": spent["tokens"] + tokens,
            }
            file.seek(0)
            file.truncate()
            file.write(json.dumps(now))
            file.flush()

    def _refuse(self, spent: dict[str, int]) -> None:
        for what, most in self.budget.model_dump().items():
            if most is not None and spent[what] >= most:
                raise UserError(
                    f"judges.{self.judge}: this run's budget of {most:,} {what} is used up; every"
                    f" reply so far is kept: run again to go on, or raise judges.{self.judge}"
                    f".budget.{what}"
                )


def ledger_of(judge: str, budget: Budget, replies: Path) -> Ledger:
    """The ledger of a judge in the run that this process belongs to."""
    run = os.environ.get(CALL, f"process-{os.getpid()}")
    return Ledger(judge, budget, replies / SPENT / f"{sha256_text(f'{run} {judge}')[:32]}.json")
