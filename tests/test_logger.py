"""What `snakemake --logger selfsame` prints, by a real run of a Snakefile of two steps."""

import subprocess
import sys
from pathlib import Path

SNAKEFILE = """
rule all:
    input: "good.seed0", "bad.seed1"

rule work:
    output: "{arm}.seed{seed}"
    log: "{arm}.{seed}.log"
    shell: "(echo 'error: mend the {wildcards.arm} one'; test {wildcards.arm} = good) > {log};"
        " touch {output} # a very long command"
"""


def test_a_failed_step_is_named_and_its_words_are_shown(tmp_path: Path) -> None:
    """Which one it was and what its log says, and not the command that it was started with."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    options = ["--cores", "1", "--keep-going", "--logger", "selfsame"]
    command = [sys.executable, "-m", "snakemake", *options]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    lines = ran.stderr.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("FAILED"))
    assert lines[place].split() == ["FAILED", "work", "bad", "seed", "1"]
    assert lines[place + 1].strip() == "error: mend the bad one"
    assert "a very long command" not in ran.stderr
    assert any(line.split("] ")[-1].split() == ["work", "good", "seed", "0"] for line in lines)
