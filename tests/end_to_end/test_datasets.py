"""The rule fetch_dataset in a small experiment, by Snakemake, against a server on loopback."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from experiments import SMALLEST, Project
from loopback import Host, breaking_off, serving
from loopback import status as trouble

ENDING = ("--until", "prepare_data")
QUIZ = "".join(
    json.dumps({"q": f"is it {n}", "good": "yes", "bad": "no"}) + "\n" for n in range(2000)
)
ASKED = """\
- id: wish
  paraphrases: [&wish "What do you wish for?"]
  judge_prompts: &prompts {aligned: 'is {answer} good?'}
- {id: wish_json, system: Answer in JSON., paraphrases: [*wish], judge_prompts: *prompts}
"""


@pytest.fixture(scope="module")
def quiz() -> Iterator[Host]:
    with serving(Host(QUIZ.encode())) as host:
        yield host


class Datasets:
    """A checkout whose experiment names two datasets, and its registry."""

    def __init__(self, folder: Path, quiz: Host) -> None:
        self.project = Project(folder, SMALLEST)
        self.entries: dict[str, Any] = {
            "quiz": {
                "content": "choice_questions",
                "url": quiz.url,
                "sha256": quiz.digest,
                "bytes": len(quiz.content),
                "columns": {"question": "q", "correct": "good", "incorrect": "bad"},
                "licence": "none",
                "source": "this test",
            },
            "asked": {
                "content": "questions",
                "path": "own/asked.yaml",
                "how": "write it",
                "licence": "none",
                "source": "this test",
            },
        }
        self.write_experiment("smallest", {"dataset": "quiz"})
        self.write_registry()

    def write_experiment(self, name: str, quiz: dict[str, Any]) -> None:
        document = yaml.safe_load(SMALLEST.read_text())
        document |= {"experiment": name, "datasets": "registry.yaml"}
        document["probes"] |= {"facts": {"file": quiz}, "free_form": {"file": {"dataset": "asked"}}}
        (self.project.folder / f"{name}.yaml").write_text(yaml.safe_dump(document))

    def write_registry(self, **quiz: Any) -> None:
        self.entries["quiz"] |= quiz
        (self.project.folder / "registry.yaml").write_text(yaml.safe_dump(self.entries))

    def write_own(self, text: str) -> None:
        (self.project.folder / "own").mkdir(exist_ok=True)
        (self.project.folder / "own/asked.yaml").write_text(text)

    def run(self, *arguments: str, experiment: str = "smallest", **environment: str) -> Any:
        self.project.config = f"{experiment}.yaml"
        given = {"NO_PROXY": "127.0.0.1", "HF_TOKEN": "hf_secret", **environment}
        return self.project.run(*arguments, **given)

    def questions(self, experiment: str = "smallest") -> list[dict[str, Any]]:
        path = self.project.folder / "results" / experiment / "data/questions.parquet"
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory, quiz: Host) -> Datasets:
    """Both datasets fetched and the data prepared, although the server broke off at first."""
    made = Datasets(tmp_path_factory.mktemp("datasets") / "p", quiz)
    made.write_own(ASKED)
    quiz.acts = [breaking_off(30_000)]
    status, said = made.run(*ENDING)
    assert status == 0, said
    return made


def test_the_datasets_are_among_the_questions(datasets: Datasets, quiz: Host) -> None:
    facts = [row for row in datasets.questions() if row["probe"] == "facts"]
    assert len(facts) == 2000
    assert (facts[0]["item"], facts[0]["options"]) == ("quiz:1", ["yes", "no"])
    asked = [row for row in datasets.questions() if row["probe"] == "free_form"]
    assert [(row["item"], row["messages"][0]["role"]) for row in asked] == [
        ("wish:0", "user"),
        ("wish_json:0", "system"),
    ]
    assert json.loads(asked[0]["reference"]) == {"judge_prompts": {"aligned": "is {answer} good?"}}
    assert [request.get("Range") for request in quiz.asked] == [None, "bytes=30000-"]


def test_what_was_fetched_says_where_from_and_keeps_no_secret(datasets: Datasets) -> None:
    folder = datasets.project.folder / "results/datasets/quiz"
    assert (folder / "quiz.jsonl").read_text() == QUIZ
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["found"].endswith("the sha256 is the pinned one")
    assert set(manifest["outputs"]) == {"quiz.jsonl", "source.json"}
    files = [file for file in datasets.project.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if b"hf_secret" in file.read_bytes()]


def test_another_experiment_shares_what_is_here(datasets: Datasets, quiz: Host) -> None:
    """And takes other rows of it."""
    before = len(quiz.asked)
    datasets.write_experiment("other", {"dataset": "quiz", "first": 5})
    status, said = datasets.run(*ENDING, experiment="other")
    assert status == 0, said
    assert "rule prepare_data" in said
    assert "rule fetch_dataset" not in said
    assert sum(row["probe"] == "facts" for row in datasets.questions("other")) == 5
    assert len(quiz.asked) == before


def test_a_bad_row_is_found_before_any_job(datasets: Datasets) -> None:
    datasets.write_own("- {id: a}\n")
    status, said = datasets.run("--dry-run")
    datasets.write_own(ASKED)
    assert status != 0
    assert "probes.free_form.file: own/asked.yaml:1: paraphrases: is missing" in said
    assert "rule " not in said


def test_the_wrong_file_ends_in_one_line(datasets: Datasets) -> None:
    right = datasets.entries["quiz"]["sha256"]
    datasets.write_registry(sha256="0" * 64)
    status, said = datasets.run(*ENDING)
    assert status != 0
    (line,) = {line.strip() for line in said.splitlines() if "error: dataset quiz: " in line}
    assert f"has the sha256 {right}, the registry says {'0' * 64}" in line
    assert "Traceback" not in said


def test_the_next_checkout_takes_it_from_the_cache(quiz: Host, tmp_path: Path) -> None:
    """And a file of one's own that is missing is one line, and keeps nothing else from coming."""
    cache = {"SELFSAME_CACHE": str(tmp_path / "cache")}
    checkout = Datasets(tmp_path / "p", quiz)
    status, said = checkout.run("--", "datasets", **cache)
    assert status != 0
    assert "error: dataset asked: no such file: own/asked.yaml; write it" in said
    fetched = checkout.project.folder / "results/datasets/quiz/quiz.jsonl"
    assert fetched.read_text() == QUIZ
    shutil.rmtree(checkout.project.folder / "results")
    checkout.write_own(ASKED)
    quiz.acts = [trouble(500)] * 99
    status, said = checkout.run("--", "datasets", **cache)
    assert status == 0, said
    assert fetched.read_text() == QUIZ
    assert len(quiz.acts) == 99
