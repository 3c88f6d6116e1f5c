"""Reading a step's command back, against bash itself."""

import shlex
import subprocess

import pytest

from selfsame.braces import in_braces
from selfsame.dryrun import parsed

STATES = [f"states/{c}/seed{n}/samples" for c in ("base", "em+steer:-evil") for n in range(3)]


@pytest.mark.parametrize(
    "words",
    [
        shlex.quote('{"a":"x > y","b":["{c,d}/e"],"c":"ä\'s"}'),
        in_braces(STATES),
        in_braces(STATES[:4]),
        "plain 'a name/with {braces, and} spaces' results/default",
    ],
)
def test_arguments_are_what_bash_makes_of_the_command(words: str) -> None:
    command = f"python x.py --spec {words} --out results/there --threads 2 > log 2>&1"
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, text=True, check=True
    )
    expected = printed.stdout.split("\0")[:-1]
    assert parsed(command) == {"spec": expected, "out": ["results/there"], "threads": ["2"]}
