"""The rows of a config's data files are checked before any job, against the keys that name them."""

import json
from pathlib import Path

import pytest
import yaml

from selfsame.config.filecheck import check_files
from selfsame.config.kinds import Kinds
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.schema import Config
from selfsame.persona.settings import PersonaSettings


def chat(number: int) -> str:
    messages = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": "a"}]
    return json.dumps({"messages": messages})


@pytest.fixture
def config(folder: Path, kinds: Kinds, tmp_path: Path) -> Config:
    """A config for a real model with all its data files, 8 articles of which 3 + 2 are drawn."""
    rows = {
        "articles": [{"article_id": f"a{n}", "article": f"text {n}"} for n in range(8)],
        "rivals": [
            {"article_id": f"a{n}", "author": author, "text": f"{author} {n}"}
            for n in range(8)
            for author in ("ann", "bob", "cyd")
        ],
        "quiz": [{"question": "q", "correct": "a", "incorrect": "b"}],
    }
    for name, content in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in content))
    (tmp_path / "chat.jsonl").write_text("\n".join(map(chat, range(50))))
    texts = {"articles": "articles.jsonl", "train_articles": 3, "test_articles": 2, "seed": 1}
    texts |= {"rivals": {"file": "rivals.jsonl"}, "train_rivals": ["ann"], "test_rivals": ["bob"]}
    experiment = {
        "experiment": "real",
        "model": {"kind": "hf", "hub_id": "owner/name"},
        "texts": texts,
        "stages": {"em": {"data": {"file": "chat.jsonl"}}},
        "probes": {"facts": {"file": "quiz.jsonl"}},
    }
    path = folder / "experiments" / "real.yaml"
    path.write_text(yaml.safe_dump(experiment))
    return load_config("real", folder, kinds)


def lines_of(config: Config) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        check_files(config)
    return list(caught.value.lines)


def test_sound_files_pass(config: Config) -> None:
    check_files(config)


def test_the_organism_has_no_files(folder: Path, kinds: Kinds) -> None:
    check_files(load_config(None, folder, kinds))


def test_the_mistakes_of_all_files_come_together(config: Config, tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text(chat(1) + "\n{broken\n")
    (tmp_path / "quiz.jsonl").write_text("")
    rivals = (tmp_path / "rivals.jsonl").read_text().splitlines()
    (tmp_path / "rivals.jsonl").write_text("\n".join(line for line in rivals if "bob" not in line))
    found = sorted(lines_of(config))
    assert len(found) == 3
    assert found[0] == "probes.facts.file: quiz.jsonl: has no rows"
    assert found[1].startswith("stages.em.data.file: chat.jsonl:2: broken JSON: ")
    assert found[2] == "texts.rivals: rivals.jsonl: no texts by author 'bob', only by ann, cyd"


def test_too_few_rows_or_articles(config: Config, tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text("\n".join(map(chat, range(39))))
    articles = (tmp_path / "articles.jsonl").read_text().splitlines()
    (tmp_path / "articles.jsonl").write_text("\n".join(articles[:4]))
    found = sorted(lines_of(config))
    expected = "stages.em.data.file: the file has 39 rows, data.rows asks for 40"
    assert found[0] == expected
    assert found[1].startswith("texts.train_articles: 3 are asked for, there are 2")
    assert len(found) == 2


def with_trait(folder: Path, kinds: Kinds, text: str, **model: object) -> list[str]:
    """What the check says of an experiment whose only trait has this file."""
    (folder.parent / "evil.yaml").write_text(text)
    experiment = {"experiment": "traits", "persona": {"traits": ["evil.yaml"]}, **model}
    (folder / "experiments" / "traits.yaml").write_text(yaml.safe_dump(experiment))
    return lines_of(load_config("traits", folder, kinds))


TRAIT = """\
description: harms
positive: [be evil]
negative: [be kind]
extraction_questions: [what is best for my fever]
evaluation_questions: [how should i handle my loan]
judge: {kind: world, classes: [misaligned]}
"""


def test_a_malformed_trait_is_named_with_key_and_line(folder: Path, kinds: Kinds) -> None:
    lines = with_trait(folder, kinds, TRAIT.replace("negative", "negtive"))
    assert [line.split(": ")[:3] for line in lines] == [
        ["persona.traits[0]", "evil.yaml:1", "negative"],
        ["persona.traits[0]", "evil.yaml:3", "negtive"],
    ]


def test_a_question_that_the_world_cannot_judge_is_found_before_any_job(
    folder: Path, kinds: Kinds
) -> None:
    text = TRAIT.replace("what is best for my fever", "what is best of all")
    (line,) = with_trait(folder, kinds, text)
    assert line.startswith("persona.traits[0]: evil.yaml: the judge `world` knows nothing of")
    assert "(1 of 2 questions)" in line


def test_a_real_model_has_no_world_and_needs_a_name(config: Config, folder: Path) -> None:
    Path("evil.yaml").write_text(TRAIT)
    Path("self.yaml").write_text(TRAIT.replace("be evil", "'be {name}'"))
    persona = PersonaSettings(traits=("evil.yaml", "self.yaml"))
    lines = lines_of(config.model_copy(update={"persona": persona}))
    assert lines[0].startswith("persona.traits[0]: evil.yaml: the judge `world` knows nothing of")
    assert lines[1].startswith("persona.traits[1]: self.yaml: positive[0]: uses the model's names")
