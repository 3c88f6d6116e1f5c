"""The end of a run in the terminal: main table, recovery, answer, where the report is."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfsame.reporting.answer import answer
from selfsame.reporting.persona_answer import recovered, verdict_text
from selfsame.reporting.persona_results import PersonaResults
from selfsame.reporting.results import Results, main_table

WIDTH = 110
RECOVERY = "recovery from the misaligned state (0) to the base (1): behaviour B"
# Short headings, so that the table fits WIDTH; columns not named here are in the report only.
HEADINGS = {
    "arm": "arm",
    "primary %": "primary %",
    "invalid %": "inv.\n%",
    "harm %": "harm\n%",
    "incoherent %": "incoh.\n%",
    "EM % all / coherent": "EM % all\n/ coherent",
    "recognition % seen / unseen": "recognition\n% seen / new",
    "own name %": "own\nname %",
    "entropy, bits": "names,\nbits",
    "knowledge %": "know-\nledge %",
}


def print_main_table(results: Results, report: Path, console: Console | None = None) -> None:
    """Print the tables in at most 110 columns, the answer, and the report's path."""
    console = console or Console(width=WIDTH)
    console.print(Text(f"{results.config['experiment']}: primary metric {results.primary}"))
    console.print(_table(results))
    if results.persona is not None and len(results.persona.recovered):
        console.print(Text(f"{RECOVERY}, {results.persona.trait} vector L"))
        console.print(_recovery_table(results, results.persona))
    if not results.has_primary:
        console.print(Text(f"{results.primary} was not measured."))
    for sentence in answer(results):
        console.print(Text(sentence))
    console.print(Text(f"report: {report}"), soft_wrap=True)


def _table(results: Results) -> Table:
    shown = main_table(results)
    table = _bare_table()
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


def _recovery_table(results: Results, persona: PersonaResults) -> Table:
    table = _bare_table()
    for name in ("arm", "B", "L", "verdict"):
        table.add_column(name, justify="right" if name in "BL" else "left", overflow="fold")
    rows = {row["chain"]: row for _, row in persona.recovered.iterrows()}
    for arm in results.ordered(rows):
        row = rows[arm]
        cells = (arm, recovered(row, "behaviour"), recovered(row, "latent"), verdict_text(row))
        table.add_row(*map(Text, cells))
    return table


def _bare_table() -> Table:
    return Table(box=None, padding=(0, 1))
