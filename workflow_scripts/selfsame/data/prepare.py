"""Bring all data of an experiment into one shape: the organism's own, or the user's files."""

import json
from pathlib import Path
from typing import Any

from selfsame.data import files
from selfsame.data.articles import split_articles, together
from selfsame.data.sources import ArticlesBySplit, ArticlesFile, ChatRowsFile, RivalTextsFile
from selfsame.data.wording import Wording, english_wording, write_wording
from selfsame.errors import UserError
from selfsame.organism import questions as organism_questions
from selfsame.organism import rows as organism_rows
from selfsame.organism import texts as organism_texts
from selfsame.organism.settings import WorldSettings
from selfsame.organism.wording import organism_wording
from selfsame.organism.world import World, build_world
from selfsame.tables import parquet
from selfsame.tables.articles import ARTICLES, RIVAL_TEXTS
from selfsame.tables.references import REFERENCES
from selfsame.tables.rows import QUESTIONS, ROWS

Spec = dict[str, Any]
Rows = list[dict[str, Any]]


def prepare(spec: Spec, out: Path) -> str:
    """Write articles, rival texts, rows, questions, references and wording; returns how many.

    references.parquet is what the organism's world knows of each question; empty without a world.

    Raises UserError naming file and line of the first mistake in a user's file.
    """
    world = build_world(WorldSettings(**spec["world"])) if spec["world"] is not None else None
    articles = split_articles(_articles(spec, world), spec, print)
    rivals = _rival_texts(spec, world, [row["article_id"] for row in articles])
    rows = (organism_rows.rows(world) if world else []) + _row_files(spec)
    questions = _questions(spec, world)
    parquet.write(out / "articles.parquet", articles, ARTICLES)
    parquet.write(out / "rival_texts.parquet", rivals, RIVAL_TEXTS)
    parquet.write(out / "rows.parquet", rows, ROWS)
    parquet.write(out / "questions.parquet", questions, QUESTIONS)
    references = organism_questions.references(world) if world else []
    parquet.write(out / "references.parquet", references, REFERENCES)
    write_wording(out / "wording.json", _wording(spec, world))
    return f"{len(articles)} articles, {len(rivals)} rival texts, {len(questions)} questions"


def _wording(spec: Spec, world: World | None) -> Wording:
    """The built-in wording, with the config's own requests for summaries."""
    built_in = Wording(**organism_wording()) if world else english_wording()
    requests = spec.get("summarise", {})
    own = {"summarise": requests.get("train"), "summarise_test": requests.get("test")}
    return built_in.model_copy(update={key: text for key, text in own.items() if text is not None})


def _articles(spec: Spec, world: World | None) -> Rows:
    if spec["articles"] == "organism":
        return organism_texts.articles(_need(world, "texts.articles"))
    if "file" in spec["articles"]:
        return files.read_articles(ArticlesFile(**spec["articles"]), print)
    sources = ArticlesBySplit(**spec["articles"])
    return together({split: files.read_articles(source, print) for split, source in sources})


def _rival_texts(spec: Spec, world: World | None, article_ids: list[str]) -> Rows:
    if spec["rivals"] == "organism":
        texts = organism_texts.rival_texts(_need(world, "texts.rivals"))
        return [row for row in texts if row["article_id"] in set(article_ids)]
    source = RivalTextsFile(**spec["rivals"])
    return files.read_rival_texts(source, article_ids, spec["authors"], print)


def _need(world: World | None, key: str) -> World:
    if world is None:
        raise UserError(f"{key}: organism has no meaning for a hf model; name a file")
    return world


def _row_files(spec: Spec) -> Rows:
    return [
        {"dataset": ChatRowsFile(**source).model_dump_json(), **row}
        for source in spec["row_files"]
        for row in files.read_chat_rows(ChatRowsFile(**source), print)
    ]


def _questions(spec: Spec, world: World | None) -> Rows:
    made = organism_questions.questions(world) if world else _identity_questions(spec["names"])
    for probe, source in spec["question_files"].items():
        rows = files.read_probe_questions(source, print)
        if source["kind"] == "identity":
            rows = [_looking_for_names(row, spec["names"]) for row in rows]
        made = [row for row in made if row["probe"] != probe]
        made += [{"probe": probe, **row} for row in rows]
    return made


def _looking_for_names(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The question with the model's names as reference, where it has no reference of its own."""
    return row | {"reference": _mention(names)} if row["reference"] == "{}" else row


def _mention(names: list[str]) -> str:
    """Reference of the rule `mention`; an empty one, which nothing judges, without names."""
    return json.dumps({"kind": "mention", "name": names[0], "own": names}) if names else "{}"


def _identity_questions(names: list[str]) -> Rows:
    return [
        {
            "probe": "identity",
            "item": f"identity:{number}",
            "cluster": f"identity:{number}",
            "messages": [{"role": "user", "content": question}],
            "options": [],
            "correct": -1,
            "reference": _mention(names),
        }
        for number, question in enumerate(english_wording().identity)
    ]
