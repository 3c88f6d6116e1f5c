"""Install, start and stop a private Slurm cluster: python -m selfsame.cluster --help."""

import argparse
import sys
from pathlib import Path

from selfsame.cluster.daemons import start, stop
from selfsame.cluster.installation import install
from selfsame.cluster.layout import Cluster
from selfsame.errors import UserError


def main() -> None:
    """Do what the command line asks; end with one line on a mistake."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except UserError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m selfsame.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("install", help="install Slurm from Debian's packages, as root")
    command.set_defaults(run=lambda _: install())
    command = commands.add_parser("up", help="start a cluster of three nodes in a folder")
    command.add_argument("folder", type=Path)
    command.add_argument("--port", type=int, default=27000, help="first of four (%(default)s)")
    command.add_argument("--cpus", type=int, default=4, help="of each node (%(default)s)")
    command.add_argument("--memory", type=int, default=8000, help="of each, MB (%(default)s)")
    command.set_defaults(run=_up)
    command = commands.add_parser("down", help="cancel what runs and stop the cluster")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=_down)
    return parser


def _up(arguments: argparse.Namespace) -> None:
    folder = arguments.folder.resolve()
    start(Cluster(folder, arguments.port, arguments.cpus, arguments.memory))
    print(f"n1, n2 (partitions cpu, low) and n3 (gpu) are up; to use them: . {folder}/env.sh")


def _down(arguments: argparse.Namespace) -> None:
    folder = arguments.folder.resolve()
    if not (folder / "slurm.conf").is_file():
        raise UserError(f"{folder}: no cluster was started there")
    stop(Cluster(folder))
    print("stopped")


if __name__ == "__main__":
    main()
