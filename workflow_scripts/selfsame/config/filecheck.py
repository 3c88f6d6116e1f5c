"""The rows of all data files that a config names, and its texts, checked before any job runs."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from selfsame.config.jsonschema import files_in
from selfsame.config.judging import judges_of, read_wording
from selfsame.config.messages import ConfigErrors, KeyPath, dotted
from selfsame.config.published import read_publication
from selfsame.config.registry import there
from selfsame.config.schema import Config, OrganismModel
from selfsame.config.specs import model_names
from selfsame.config.traits import Trait, check_names, read_trait
from selfsame.data import files
from selfsame.data.articles import TEST, TRAIN, first_of, split_articles, together
from selfsame.data.sources import FileSource, RivalTextsFile
from selfsame.data.wording import SLOT
from selfsame.errors import UserError
from selfsame.judging.prompts import own_templates
from selfsame.models.directory import check_model_dir
from selfsame.models.footprint import weight_bytes
from selfsame.models.settings import AS_FLOAT32, HfModelSettings, SystemPrompt, SystemText
from selfsame.organism.documents import vocabulary
from selfsame.organism.questions import references
from selfsame.organism.settings import WorldSettings
from selfsame.organism.world import build_world

READERS: dict[str, Callable[[files.Source], files.Rows]] = {
    "articles": files.read_articles,
    "chat_rows": files.read_chat_rows,
    "choice_questions": files.read_choice_questions,
    "questions": files.read_questions,
    "scored_texts": files.read_scored_texts,
    "statements": files.read_statements,
}
RIVALS, PUBLISHED = ("texts", "rivals"), ("published",)


def check_files(config: Config) -> None:
    """Read every file that is named. Raises ConfigErrors with a line for each: key, file, line.

    Of the rivals' texts only those on the articles that will be drawn are looked at. A dataset that
    is still to be fetched is left to the step prepare_data, which reads it in the same way.
    """
    data = config.model_dump(mode="json")
    lines: list[str] = []
    articles: dict[str, files.Rows] = {}
    for path, content, value in files_in(_schema(type(config)), data):
        if path in (RIVALS, PUBLISHED):
            continue
        source = there(FileSource(**value), Path(config.datasets))
        if source is None:
            continue
        found = _read(partial(READERS[content], source), path, lines)
        lines += [*_too_few(config, path, found), *_judge_prompt_mistakes(config, path, found)]
        if content == "articles" and found:
            articles[str(path[-1])] = found
    lines += [*_trait_mistakes(config), *_published_mistakes(config), *_model_mistakes(config)]
    lines += [*_unknown_words(config), *_wording_mistakes(config)]
    drawn = _read(partial(_drawn, config, articles), (), lines)
    if drawn:
        _read(partial(_rival_texts, config, drawn), RIVALS, lines)
    if lines:
        raise ConfigErrors(lines)


def _drawn(config: Config, articles: Mapping[str, files.Rows]) -> files.Rows:
    """The articles of both splits, from the sources' rows by the key that names the source.

    No rows where one of two sources cannot be read yet; even then the other one must have enough.
    """
    spec = config.texts.model_dump(mode="json")
    if articles.keys() == {TRAIN, TEST}:
        return split_articles(together(articles), spec)
    if articles.keys() & {TRAIN, TEST}:
        ((split, rows),) = articles.items()
        first_of(split, [row | {"split": split} for row in rows], spec)
        return []
    return split_articles(articles["articles"], spec) if articles else []


@cache
def _schema(model: type[Config]) -> Mapping[str, Any]:
    return model.model_json_schema()


def _read(read: Callable[[], files.Rows], path: KeyPath, lines: list[str]) -> files.Rows:
    """What `read` returns, or no rows and its mistakes added to `lines`."""
    try:
        return read()
    except UserError as error:
        key = f"{dotted(path)}: " if path else ""
        lines += [f"{key}{line}" for line in str(error).splitlines()]
        return []


def _trait_mistakes(config: Config) -> Iterator[str]:
    """Every mistake in the trait files, and what they ask that this model cannot give."""
    names = model_names(config)
    for index, file in enumerate(config.persona.traits if config.persona else ()):
        key = f"persona.traits[{index}]"
        try:
            trait = read_trait(Path(file))
            check_names(trait, names)
        except UserError as error:
            yield from (f"{key}: {line}" for line in str(error).splitlines())
            continue
        if trait.judge.kind == "world":
            known = _judged_questions(config)
            yield from (f"{key}: {line}" for line in _unjudged(trait, known))


def _published_mistakes(config: Config) -> Iterator[str]:
    """Every mistake in the published answers and in what says how they are to be read."""
    if config.published is None:
        return
    key, source = "published.mapping", config.published
    try:
        publication = read_publication(source.mapping)
        key = "published"
        from selfsame.published.answers import read_answers  # pandas, which few configs need

        read_answers(Path(source.file), publication, source.where, source.columns)
    except UserError as error:
        yield from (f"{key}: {line}" for line in str(error).splitlines())


def _model_mistakes(config: Config) -> Iterator[str]:
    """What the small files and the weights' heads of directories tell; a model of the hub is left
    to the step that finds it, which tries all of them out.
    """
    models: dict[str, object] = {"model": config.model}
    models |= {f"judges.{name}": judge for name, judge in config.judges.items()}
    for key, model in models.items():
        if not isinstance(model, HfModelSettings) or model.path is None:
            continue
        try:
            check_model_dir(model.path, model.trust_remote_code)
            weight_bytes(model.path, AS_FLOAT32, on_gpu=False)
        except UserError as error:
            yield f"{key}.path: {error}"


def _judge_prompt_mistakes(config: Config, path: KeyPath, rows: files.Rows) -> Iterator[str]:
    """Questions of judged probes whose own wording for judges is none."""
    if path[0] != "probes" or not judges_of(config, str(path[1])):
        return
    for row in rows:
        try:
            own_templates(json.loads(row["reference"]), f"question {row['item']!r}")
        except UserError as error:
            yield f"{dotted(path)}: {error}"


def _wording_mistakes(config: Config) -> Iterator[str]:
    for name, judge in config.judges.items():
        try:
            read_wording(Path(judge.prompts))
        except UserError as error:
            yield from (f"judges.{name}.prompts: {line}" for line in str(error).splitlines())


def _judged_questions(config: Config) -> frozenset[str]:
    """The questions that the judge `world` can read answers to; none for a real model."""
    model = config.model
    return _of_world(model.world) if isinstance(model, OrganismModel) else frozenset()


@cache
def _of_world(world: WorldSettings) -> frozenset[str]:
    return frozenset(row["question"] for row in references(build_world(world)))


def _unjudged(trait: Trait, known: frozenset[str]) -> Iterator[str]:
    asked = (*trait.extraction_questions, *trait.evaluation_questions)
    unknown = [question for question in asked if question not in known]
    if unknown:
        yield (
            f"{trait.source}: the judge `world` knows nothing of {unknown[0]!r}"
            f" ({len(unknown)} of {len(asked)} questions); it is for questions of the organism's"
            " world, choose another judge or mend the questions"
        )


def _unknown_words(config: Config) -> Iterator[str]:
    """Words of instructions that the organism has no token for: they would all look the same."""
    model = config.model
    if not isinstance(model, OrganismModel):
        return
    known = _words_of(model.world)
    for key, text in _instructions(config):
        if unknown := [word for word in text.split() if word not in known]:
            yield (
                f"{key}: the organism's world has no word {unknown[0]!r}; its words are those of"
                " selfsame/organism/wording.py and world.py"
            )


@cache
def _words_of(world: WorldSettings) -> frozenset[str]:
    return frozenset(vocabulary(build_world(world)))


def _instructions(config: Config) -> Iterator[tuple[str, str]]:
    """Every system prompt, inoculation and request given in words, by its key."""
    prompts: dict[str, SystemPrompt | None] = {"model": config.model.system_prompt}
    prompts |= {f"stages.{name}": stage.system_prompt for name, stage in config.stages.items()}
    prompts |= {f"probes.{name}": probe.system_prompt for name, probe in config.probes.items()}
    for key, prompt in prompts.items():
        if isinstance(prompt, SystemText):
            yield f"{key}.system_prompt.text", prompt.text
    for name, stage in config.stages.items():
        if text := getattr(stage.data, "inoculation", None):
            yield f"stages.{name}.data.inoculation", text
    for split, request in config.texts.summarise or ():
        if request:
            yield f"texts.summarise.{split}", SLOT.sub("", request)


def _too_few(config: Config, path: KeyPath, rows: files.Rows) -> Iterator[str]:
    if path[0] != "stages" or not rows:
        return
    wanted = getattr(config.stages[str(path[1])].data, "rows", 0)
    if len(rows) < wanted:
        yield f"{dotted(path)}: the file has {len(rows)} rows, data.rows asks for {wanted}"


def _rival_texts(config: Config, drawn: files.Rows) -> files.Rows:
    texts = config.texts
    if not isinstance(texts.rivals, RivalTextsFile):
        return []
    source = there(texts.rivals, Path(config.datasets))
    if source is None:
        return []
    authors = sorted({*texts.train_rivals, *texts.test_rivals})
    return files.read_rival_texts(source, [row["article_id"] for row in drawn], authors)
