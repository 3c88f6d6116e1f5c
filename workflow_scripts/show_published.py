"""Print published answers as their publication does: mean and sd over runs, state by state.

Run: make published FILE=answers.parquet [MAPPING=mapping.yaml]
     python workflow_scripts/show_published.py FILE [--mapping FILE]
"""

import argparse
import sys
from pathlib import Path

from selfsame.config.published import read_publication
from selfsame.errors import UserError
from selfsame.published.settings import TRUTHFULQA


def main() -> None:
    """Read the answers and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="model, condition, seed, question_id, answer, ...")
    parser.add_argument("--mapping", default=TRUTHFULQA, help="what its conditions are")
    given = parser.parse_args()
    publication = read_publication(given.mapping)

    from selfsame.published.answers import read_answers
    from selfsame.published.levels import over_runs, runs
    from selfsame.published.observations import observations
    from selfsame.reporting.published_terminal import print_published
    from selfsame.statistics.tally import tallied

    answers = read_answers(given.file, publication)
    by_runs = runs(tallied(observations(answers, publication)))
    print_published(over_runs(by_runs), publication)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
