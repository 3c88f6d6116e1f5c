"""Bring the README's pictures up to date: the graph of the rules, and the results' figures.

Run: python workflow_scripts/refresh_readme.py        (after `make run`)
"""

import re
import shutil
import subprocess
from pathlib import Path

README = Path("README.md")
FIGURES = Path("results/default/report/figures")
COPIES = Path("docs/figures")
SHOWN = ("levels.svg", "recovery.svg")
GRAPH = re.compile(r"(?<=<!-- graph -->\n).*(?=<!-- /graph -->)", re.DOTALL)


def rule_graph() -> str:
    """The graph of the default experiment's rules as a fenced mermaid block."""
    command = ["snakemake", "--rulegraph", "mermaid-js"]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line for line in drawn.splitlines() if not line.strip().startswith("style ")]
    return "```mermaid\n" + "\n".join(lines[lines.index("flowchart TB") :]).strip() + "\n```\n"


def main() -> None:
    """Rewrite the graph between its marks and copy the figures."""
    graph = rule_graph()
    text = GRAPH.sub(lambda _: graph, README.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8")
    COPIES.mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        shutil.copyfile(FIGURES / name, COPIES / name)


if __name__ == "__main__":
    main()
