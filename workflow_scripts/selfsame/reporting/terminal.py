"""The end of a run in the terminal: main table, answer in two sentences, where the report is."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfsame.reporting.answer import answer
from selfsame.reporting.results import Results, main_table

WIDTH = 110
# Short headings, so that the table fits WIDTH; columns not named here are in the report only.
HEADINGS = {
    "arm": "arm",
    "primary %": "primary %",
    "harm %": "harm\n%",
    "incoherent %": "inco-\nherent %",
    "EM % all / coherent": "EM % all\n/ coherent",
    "recognition % seen / unseen": "recognition\n% seen / new",
    "own name %": "own\nname %",
    "entropy, bits": "names,\nbits",
    "knowledge %": "know-\nledge %",
}


def print_main_table(results: Results, report: Path, console: Console | None = None) -> None:
    """Print the main table in at most 110 columns, the answer, and the report's path."""
    console = console or Console(width=WIDTH)
    console.print(_table(results))
    if not results.has_primary:
        console.print(Text(f"{results.primary} was not measured."))
    for sentence in answer(results):
        console.print(Text(sentence))
    console.print(Text(f"report: {report}"), soft_wrap=True)


def _table(results: Results) -> Table:
    shown = main_table(results)
    title = f"{results.config['experiment']}: primary metric {results.primary}"
    table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 1), width=None)
    names = [name for name in HEADINGS if name in shown.columns]
    for name in names:
        is_arm = name == "arm"
        table.add_column(
            HEADINGS[name], justify="left" if is_arm else "right", no_wrap=not is_arm,
            overflow="fold",
        )  # fmt: skip
    for row in shown[names].itertuples(index=False, name=None):
        table.add_row(*(Text(cell) for cell in row))  # Text: names are never read as markup
    return table
