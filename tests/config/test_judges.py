"""Judges in a config: what may be written, mistakes in one line, and what may not be shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfsame.config import judge_specs, specs
from selfsame.config.filecheck import check_files
from selfsame.config.judging import read_wording, servers
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.paths import Paths
from selfsame.config.resources import needs_to_ask, needs_to_find
from selfsame.config.schema import Config
from selfsame.digests import canonical
from selfsame.errors import UserError
from selfsame.judging import manner
from tiny_models import make_tiny_model

Load = Callable[..., Config]
SECRET = "sk-abc123-Secret"
GPT = {"kind": "openai", "model": "gpt"}


@pytest.fixture
def load(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The default run with these judges, named by the probe free_form unless said otherwise."""
    monkeypatch.chdir(root)

    def loaded(judges: dict[str, Any], **over: Any) -> Config:
        probes = {"free_form": {"judges": list(judges)}} | over.pop("probes", {})
        document = {"experiment": "mine", "judges": judges, "probes": probes, **over}
        (tmp_path / "mine.yaml").write_text(json.dumps(document))
        return load_config(tmp_path / "mine.yaml")

    return loaded


def lines(load: Load, judges: dict[str, Any], **over: Any) -> list[str]:
    """The mistakes without the file."""
    with pytest.raises(ConfigErrors) as caught:
        load(judges, **over)
    return [line.split(": ", 1)[1] for line in caught.value.lines]


def test_without_judges_no_spec_knows_of_them(default_config: Config) -> None:
    made = [specs.judge_answers, specs.judge_relapse, specs.build_tables, specs.report]
    told = [canonical(make(default_config)) for make in made]
    told += [canonical(specs.build_probe(default_config, probe)) for probe in default_config.probes]
    assert [text for text in told if "judge" in text] == []


def test_the_deciding_judge_alone_is_known_to_reading(load: Load) -> None:
    config = load({"a": GPT, "b": GPT})
    assert specs.judge_answers(config)["probes"]["free_form"]["judge"] == "a"
    assert "judge" not in specs.judge_answers(config)["probes"]["facts"]
    assert specs.build_tables(config)["judges"] == {"free_form": ["a", "b"]}
    paths = Paths(config)
    one = "results/mine/states/em/seed0/judgements"
    assert paths.deciding_judgements("em", 0) == [f"{one}/a/manifest.json"]
    assert f"{one}/b/manifest.json" in paths.all_judgements()
    assert paths.relapse_judgements() == []  # the primary metric's probe has no judge


def test_how_a_server_is_asked_is_in_no_spec(load: Load) -> None:
    given = {"concurrency": 3, "timeout": 5.0, "retries": 2, "key_variable": "MY_KEY"}
    plain, other = load({"a": GPT}), load({"a": GPT | given | {"budget": {"requests": 5}}})
    assert judge_specs.ask_judges(plain, "a") == judge_specs.ask_judges(other, "a")
    assert specs.report(plain) == specs.report(other)
    assert judge_specs.manners(other) == {"a": given | {"budget": {"requests": 5, "tokens": None}}}
    assert "MY_KEY" not in canonical(specs.report(other))


@pytest.mark.parametrize(
    ("judges", "over", "said"),
    [
        (
            {"a": GPT},
            {"probes": {"free_form": {"judges": ["b"]}}},
            "probes.free_form.judges[0]: no judge is called 'b'; allowed: a",
        ),
        (
            {"a": GPT},
            {"probes": {"free_form": {"judges": ["a", "a"]}}},
            "probes.free_form.judges[1]: the judge 'a' is given twice",
        ),
        ({"a": GPT}, {"probes": {"free_form": {}}}, "judges.a: no probe names this judge"),
        ({"a": GPT | {"prompts": "no.yaml"}}, {}, "judges.a.prompts: no such file: no.yaml"),
        ({"a": {"kind": "local", "path": "no"}}, {}, "judges.a.path: no such directory: no"),
        ({"a": {"kind": "local"}}, {}, "give exactly one of path and hub_id"),
        ({"a": {"kind": "opnai"}}, {}, "judges.a.kind: 'opnai': unknown kind; did you mean"),
        ({"a": GPT | {"base_url": "ftp://x"}}, {}, "judges.a.base_url: must be an http or https"),
        ({"a": GPT | {"logprobs": "maybe"}}, {}, "judges.a.logprobs: "),
        ({"a": GPT | {"top_logprobs": 21}}, {}, "judges.a.top_logprobs: 21: must be less than"),
        ({"a": GPT}, {"probes": {"facts": {"judges": ["a"]}}}, "probes.facts.judges: unknown key"),
    ],
)
def test_a_mistake_is_one_line(
    load: Load, judges: dict[str, Any], over: dict[str, Any], said: str
) -> None:
    assert any(said in line for line in lines(load, judges, **over))


@pytest.mark.parametrize(
    "given",
    [
        {"key_variable": SECRET},
        {"key_variable": SECRET.replace("-", "_")},
        {"api_key": SECRET},
        {"base_url": f"https://user:{SECRET}@example.org/v1"},
        {"base_url": f"https://example.org/v1?key={SECRET}"},
    ],
)
def test_a_key_in_the_config_is_refused_and_not_repeated(load: Load, given: dict[str, Any]) -> None:
    (line,) = lines(load, {"a": GPT | given})
    assert line.startswith(f"judges.a.{next(iter(given))}: ")
    assert SECRET not in line


def test_a_missing_key_is_named_before_anything_runs(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_A", SECRET)
    monkeypatch.delenv("KEY_B", raising=False)
    keys = {"a": "KEY_A", "b": "KEY_B", "c": None}
    config = load({name: GPT | {"key_variable": key} for name, key in keys.items()})
    assert {name: judge.key_variable for name, judge in servers(config).items()} == keys
    manner.check_access(servers(config), ["a", "c", "local"])
    with pytest.raises(UserError) as caught:
        manner.check_access(servers(config), ["a", "b", "c"])
    assert str(caught.value).startswith("judges.b: the environment has no KEY_B: set it")
    assert SECRET not in str(caught.value)


def test_a_missing_address_is_named_before_anything_runs(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = GPT | {"key_variable": None, "base_url": "$HERE/v1"}
    config = load({"a": judge, "b": judge})
    monkeypatch.setenv("HERE", "http://127.0.0.1:8000")
    manner.check_access(servers(config), ["a", "b"])
    monkeypatch.delenv("HERE")
    manner.check_access(servers(config), [])
    with pytest.raises(UserError, match=r"^judges\.b\.base_url: .* in \$HERE/v1: set it"):
        manner.check_access(servers(config), ["b"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("note: n\naligned: '{question} {answer}'\n", ":1: coherent: must be a text"),
        ("note: n\naligned: '{answer}'\ncoherent: 5\n", ":2: aligned: the slot {question} must"),
        ("note: ' '\naligned: a\ncoherent: c\nalined: x\n", ":4: alined: unknown key; did you"),
        ("note: [", ": "),
    ],
)
def test_mistakes_in_the_wording_name_file_and_line(
    load: Load, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "words.yaml"
    file.write_text(text)
    config = load({"a": GPT | {"prompts": str(file)}})
    with pytest.raises(ConfigErrors) as caught:
        check_files(config)
    assert all(line.startswith(f"judges.a.prompts: {file}") for line in caught.value.lines)
    assert any(said in line for line in caught.value.lines)


def test_the_wording_that_is_shipped_is_sound(root: Path) -> None:
    for file in (root / "config" / "judging").glob("*.yaml"):
        assert {*read_wording(file)} == {"note", "aligned", "coherent"}


def test_a_local_judge_is_given_what_its_own_size_asks_for(load: Load, tmp_path: Path) -> None:
    path = str(make_tiny_model(tmp_path / "judge"))
    config = load(
        {"tiny": {"kind": "local", "path": path}, "big": {"kind": "local", "hub_id": "a/b"}}
        | {"served": GPT}
    )
    tiny, big, served = (needs_to_ask(config, name) for name in ("tiny", "big", "served"))
    assert (tiny.gpu, big.gpu, served.gpu) == (1, 1, 0)
    assert tiny.mem_mb < big.mem_mb
    assert served.mem_mb < tiny.mem_mb
    assert needs_to_find(config, "tiny").gpu == 0
    given = load({"served": GPT, "tiny": {"kind": "local", "path": path}}, resources={
        "judge": {"gpu": 1, "threads": 3, "runtime": 9}
    })  # fmt: skip
    assert needs_to_ask(given, "served").gpu == 0
    assert (needs_to_ask(given, "served").runtime, needs_to_ask(given, "tiny").threads) == (9, 3)


def test_a_question_s_own_wording_is_checked_before_anything_runs(
    load: Load, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "a?", "reference": {"judge_prompts": {"aligned": "of {answer}"}}},
        {"question": "b?", "reference": {"judge_prompts": {"aligned": "of nothing"}}},
    ]
    file = tmp_path / "asked.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = load({"a": GPT}, probes={"free_form": {"judges": ["a"], "file": str(file)}})
    with pytest.raises(ConfigErrors) as caught:
        check_files(config)
    assert caught.value.lines == (
        "probes.free_form.file: question 'asked:2': judge_prompts.aligned: must be a text with"
        " {answer}",
    )
