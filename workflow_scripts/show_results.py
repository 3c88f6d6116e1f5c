"""Print an experiment's main table, its answer in a few sentences and where the report lies.

Run: python workflow_scripts/show_results.py [EXPERIMENT | CONFIG.yaml]
"""

import sys
from pathlib import Path

from selfsame.config import specs
from selfsame.config.load import load_config
from selfsame.errors import UserError
from selfsame.reporting.gather import read_tables
from selfsame.reporting.terminal import print_main_table


def main(arguments: list[str]) -> None:
    """Read the tables of the named experiment (default: the default run) and print them."""
    config = load_config(arguments[0] if arguments else None)
    folder = Path("results") / config.experiment
    if not (folder / "tables" / "manifest.json").is_file():
        raise UserError(f"{folder}/tables: not there yet; run `make run` first")
    measures = folder / "persona" if config.persona else None
    results = read_tables(folder / "tables", specs.report(config)["config"], measures)
    print_main_table(results, folder / "report.html")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
