"""Check a config and the data files it names, in about a second: every mistake, one a line.

Run: python -m selfsame.config.check [EXPERIMENT | CONFIG.yaml]
"""

import sys

from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.errors import UserError


def main(arguments: list[str]) -> None:
    """End with status 1 and the mistakes, or say nothing."""
    try:
        check_files(load_config(arguments[0] if arguments else None))
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
