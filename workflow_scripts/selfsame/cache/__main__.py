"""Look after the step cache.

Run: python -m selfsame.cache list [--entries]   what is kept, by step
     python -m selfsame.cache verify             read every byte; damaged entries are set aside
     python -m selfsame.cache gc [--limit-gb N]  remove what was not used for longest, and leftovers
     python -m selfsame.cache export FILE        all entries as one tar file, to move to a cluster
     python -m selfsame.cache import FILE        the entries of such a file, each checked

Each command takes --experiment (whose config says where the cache lies) or --folder.
"""

import argparse
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from selfsame.cache.store import Entry, Store
from selfsame.cache.tiers import GB, settings_from_environment, stores_of
from selfsame.config.load import load_config
from selfsame.errors import UserError

OBJECTS = "objects"


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; ends with 1 and one line on a mistake, or where `verify` finds damage."""
    arguments = _parse(argv)
    try:
        stores = _stores(arguments)
        {"list": _list, "verify": _verify, "gc": _gc, "export": _export, "import": _import}[
            arguments.command
        ](stores, arguments)
    except UserError as error:
        sys.exit(f"error: {error}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="selfsame.cache", description=__doc__.split("\n", 1)[0])
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--experiment", help="name or file of the config that says where it lies")
    where.add_argument("--folder", type=Path, help="the cache's folder")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", parents=[where], help="what is kept, by step")
    listing.add_argument("--entries", action="store_true", help="every entry by itself")
    commands.add_parser("verify", parents=[where], help="read every byte")
    gc = commands.add_parser("gc", parents=[where], help="remove what was not used for longest")
    gc.add_argument("--limit-gb", type=float, help="instead of the config's cache.limit_gb")
    for name, text in (("export", "write all entries to a tar file"), ("import", "read one")):
        command = commands.add_parser(name, parents=[where], help=text)
        command.add_argument("file", type=Path)
    return parser.parse_args(argv)


def _stores(arguments: argparse.Namespace) -> tuple[Store, ...]:
    """The named folder, or where the environment or the config says; the node's own first."""
    if arguments.folder:
        return (Store(arguments.folder),)
    given = settings_from_environment()
    if given["enabled"]:
        return stores_of(given)
    settings = load_config(arguments.experiment).cache.model_dump()
    return stores_of(settings | {"enabled": True})


def _list(stores: Sequence[Store], arguments: argparse.Namespace) -> None:
    for store in stores:
        entries = list(store.entries())
        size = sum(entry.size for entry in entries)
        print(f"{store.root}: {len(entries)} entries, {size / 1e6:.1f} MB")
        table = Table()
        rows = _rows_by_entry(entries) if arguments.entries else _rows_by_step(entries)
        for column in rows[0]:
            table.add_column(column, justify="right" if column in ("entries", "MB") else "left")
        for row in rows[1:]:
            table.add_row(*row)
        Console(width=None if sys.stdout.isatty() else 160).print(table)


def _rows_by_step(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    counts = Counter(entry.step for entry in entries)
    rows = [("step", "entries", "MB", "last used")]
    for step in sorted(counts):
        own = [entry for entry in entries if entry.step == step]
        megabytes = sum(entry.size for entry in own) / 1e6
        last = max(entry.used for entry in own)
        rows.append((step, str(counts[step]), f"{megabytes:.1f}", _time(last)))
    return list(rows)


def _rows_by_entry(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    rows = [("step", "key", "MB", "last used", "found")]
    for entry in sorted(entries, key=lambda entry: (entry.step, -entry.used)):
        size = f"{entry.size / 1e6:.2f}"
        rows.append((entry.step, entry.key[:12], size, _time(entry.used), entry.found))
    return list(rows)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="minutes")


def _verify(stores: Sequence[Store], _: argparse.Namespace) -> None:
    damaged = 0
    for store in stores:
        states = Counter(whole for _, whole in store.verify())
        damaged += states[False]
        print(f"{store.root}: {states[True]} entries are whole, {states[False]} were damaged")
    if damaged:
        sys.exit(1)


def _gc(stores: Sequence[Store], arguments: argparse.Namespace) -> None:
    for store in stores:
        limit = store.limit_bytes if arguments.limit_gb is None else arguments.limit_gb * GB
        gone = Store(store.root, limit).collect()
        print(
            f"{store.root}: {len(gone)} entries removed, {sum(e.size for e in gone) / 1e6:.1f} MB"
        )


def _export(stores: Sequence[Store], arguments: argparse.Namespace) -> None:
    """The shared folder's entries; it holds all that the nodes' own hold."""
    store = stores[-1]
    if arguments.file.exists():
        raise UserError(f"{arguments.file} is there already; remove it or choose another name")
    partial = arguments.file.with_name(arguments.file.name + ".partial")
    paths = [entry.path for entry in store.entries()]
    with tarfile.open(partial, "w") as archive:
        for path in paths:
            archive.add(path, arcname=f"{OBJECTS}/{path.name}")
    partial.rename(arguments.file)
    print(f"{arguments.file}: {len(paths)} entries")


def _import(stores: Sequence[Store], arguments: argparse.Namespace) -> None:
    """Each entry is checked before it is added; one that is there already stays."""
    store, added, refused = stores[-1], 0, 0
    store.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.root, prefix="import-") as folder:
        _unpack(arguments.file, Path(folder))
        for path in sorted((Path(folder) / OBJECTS).glob("*")):
            whole = store.adopt(path)
            added += whole is True
            refused += whole is None
    print(f"{store.root}: {added} entries added, {refused} refused as damaged")


def _unpack(file: Path, folder: Path) -> None:
    try:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: cannot be read as an exported cache ({reason})") from error


if __name__ == "__main__":
    main()
