"""Questions in the YAML form that the evaluations of emergent misalignment are published in.

The top level is a list. Each entry has an `id` and `paraphrases` (each one a prompt), and may have
a `type` (free_form or a variant of it), a `system` text and `judge_prompts` (or `judge_prompt`): a
mapping of a criterion (aligned, coherent) to a template with {question} and {answer}. How often and
how warm a question is sampled, and by which model it is judged, is said by the probe's own keys and
passed over here.

Such a file comes from elsewhere. Its size is limited, its tags make nothing but plain values, and
what its aliases stand for is counted before any of it is built, so that a few lines cannot unfold
into gigabytes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)

from selfsame.data.fields import Id, Text, complaints
from selfsame.data.sources import JUDGE_PROMPTS

LONGEST_FILE = 500_000  # bytes; the published ones have some ten thousand
LARGEST_DOCUMENT = 10_000_000  # characters and nodes, every alias written out

Note = Callable[[int, str], None]
Row = dict[str, Any]


def _with_answer(template: str) -> str:
    if "{answer}" not in template:
        raise ValueError("must have {answer} in it")
    return template


def _at_least_one(paraphrases: tuple[str, ...]) -> tuple[str, ...]:
    if not paraphrases:
        raise ValueError("must have at least one prompt in it")
    return paraphrases


Template = Annotated[Text, AfterValidator(_with_answer)]


class PublishedQuestion(BaseModel):
    """An entry of the list. Keys that are not named here say nothing of what is asked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    type: Annotated[str, Field(pattern="^free_form")] = "free_form"
    paraphrases: Annotated[tuple[Text, ...], AfterValidator(_at_least_one)]
    system: Text | None = None
    judge_prompts: dict[Text, Template] = Field(
        default_factory=dict, validation_alias=AliasChoices("judge_prompts", "judge_prompt")
    )
    context: None = None  # would change what is asked, and is not supported


class _RefusedError(Exception):
    """The document cannot be read; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def question_rows(path: Path, note: Note) -> Iterator[tuple[int, Row]]:
    """A row for each paraphrase, with the line its question begins on.

    The row holds item (`<id>:<number of the paraphrase>`, from 0), cluster and id (the question's),
    type, messages and reference (`{"judge_prompts": {...}}` or empty). What is wrong is told to
    `note(line, text)`, and the question it is wrong in is left out. Raises OSError and
    UnicodeDecodeError.
    """
    try:
        entries = _entries(path)
    except _RefusedError as refused:
        note(refused.line, str(refused))
        return
    for line, entry in entries:
        try:
            question = PublishedQuestion.model_validate(entry)
        except ValidationError as error:
            for complaint in complaints(error):
                note(line, complaint)
        else:
            yield from ((line, row) for row in _rows(question))


def _entries(path: Path) -> list[tuple[int, Any]]:
    """Each entry of the list as plain data, with its line."""
    if path.stat().st_size > LONGEST_FILE:
        raise _RefusedError(0, f"a YAML file of more than {LONGEST_FILE:,} bytes is not read")
    text = path.read_text(encoding="utf-8-sig")
    try:
        return _parsed(yaml.SafeLoader(text))
    except RecursionError as error:
        raise _RefusedError(1, "not valid YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise _RefusedError(mark.line + 1 if mark else 1, f"not valid YAML: {problem}") from error


def _parsed(loader: yaml.SafeLoader) -> list[tuple[int, Any]]:
    node = loader.get_single_node()
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise _RefusedError(1, "must be a list of questions")
    _measure(node)
    lines = [entry.start_mark.line + 1 for entry in node.value]
    return list(zip(lines, loader.construct_document(node), strict=True))


def _measure(root: yaml.Node) -> int:
    """The size of a document with every alias written out. Raises _RefusedError beyond the limit.

    A node is looked at once, however often it is named: its size is known the second time.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def measured(node: yaml.Node) -> int:
        key, line = id(node), node.start_mark.line + 1
        if key in open_nodes:
            raise _RefusedError(line, "not usable: an alias stands for what it stands in")
        if key not in sizes:
            open_nodes.add(key)
            sizes[key] = 1 + sum(map(measured, _inner(node))) + _own(node)
            open_nodes.remove(key)
        if sizes[key] > LARGEST_DOCUMENT:
            raise _RefusedError(line, "not usable: its aliases unfold into more than fits")
        return sizes[key]

    return measured(root)


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [inner for pair in node.value for inner in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _own(node: yaml.Node) -> int:
    return len(node.value) if isinstance(node, yaml.ScalarNode) else 0


def _rows(entry: PublishedQuestion) -> Iterator[Row]:
    system = [{"role": "system", "content": entry.system}] if entry.system else []
    reference = {JUDGE_PROMPTS: dict(entry.judge_prompts)} if entry.judge_prompts else {}
    for number, paraphrase in enumerate(entry.paraphrases):
        yield {
            "item": f"{entry.id}:{number}",
            "cluster": entry.id,
            "id": entry.id,
            "type": entry.type,
            "messages": [*system, {"role": "user", "content": paraphrase}],
            "reference": reference,
        }
