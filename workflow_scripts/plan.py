"""Print what the next run would run and take: jobs by rule, core and GPU hours, disk.

Run: make plan [EXPERIMENT=name]
     python workflow_scripts/plan.py [EXPERIMENT | CONFIG.yaml]
     python workflow_scripts/plan.py --record EXPERIMENT

Nothing is started. The figures come from recorded runs. GPU jobs without any are estimated from
their model's size and marked ~; all others are unknown.
--record writes the medians of an experiment's runs as those that come with the workflow, for users
who have none of their own yet.
"""

import argparse
import sys

from selfsame.errors import UserError
from selfsame.planning.plan import plan, printed
from selfsame.planning.records import write_shipped


def main() -> None:
    """Print the plan, or record the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", nargs="?", help="name or YAML file; the default run")
    parser.add_argument("--record", metavar="EXPERIMENT", help="one with results")
    given = parser.parse_args()
    if given.record:
        write_shipped(given.record)
    else:
        print("\n".join(printed(plan(given.experiment))))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
