"""Answers become prompts, prompts become replies (stored ones first), replies become rows."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from selfsame.digests import sha256_text
from selfsame.errors import UserError
from selfsame.judging.prompts import NOTE, judge_prompt, question_of, templates_of
from selfsame.judging.replies import NOTHING_TO_JUDGE, Reading, Reply, read
from selfsame.judging.store import ReplyStore

Sample = Mapping[str, Any]
Row = dict[str, Any]
Place = tuple[str, str, int]
Arrived = Callable[[int, Reply], None]
KEYS = ("experiment", "model", "chain", "seed", "probe", "item", "order", "sample")


class Judge(Protocol):
    """One that replies to prompts. control: control tokens of its own tokenizer, as texts."""

    name: str
    control: tuple[str, ...]

    @property
    def identity(self) -> dict[str, Any]:
        """What shapes its replies, as plain JSON."""

    def ask(self, prompts: Sequence[str], arrived: Arrived) -> None:
        """Reply to each prompt; `arrived(number, reply)` gets each reply as soon as it is there."""


@dataclass(frozen=True)
class Task:
    """One answer to be judged by one criterion; without a prompt there is nothing to judge."""

    sample: Sample
    criterion: str
    prompt: str | None


def tasks(
    samples: Iterable[Sample],
    prompts: Iterable[Mapping[str, Any]],
    wording: Mapping[str, str],
    control: Sequence[str] = (),
) -> Iterator[Task]:
    """Every answer with every criterion.

    samples: rows of SAMPLES in free text; prompts: the rows of PROMPTS that they answer.
    Raises UserError where a question brings judge_prompts that are none.
    """
    questions = {_place(row): question_of(row["messages"]) for row in prompts}
    for sample in samples:
        reference = json.loads(sample["reference"])
        source = f"probes.{sample['probe']}: question {sample['item']!r}"
        for criterion, template in templates_of(wording, reference, source).items():
            texts = (questions[_place(sample)], sample["text"])
            prompt = judge_prompt(template, wording[NOTE], *texts, control)
            yield Task(sample, criterion, prompt if sample["text"].strip() else None)


def _place(row: Mapping[str, Any]) -> Place:
    return row["probe"], row["item"], row["order"]


def replies_to(
    judge: Judge, store: ReplyStore, prompts: Iterable[str]
) -> tuple[dict[str, Reply], int]:
    """The reply to each prompt, a stored one or else the judge's; and how many it was asked for.

    What the judge replies is stored as it arrives. That it would not take a prompt costs nothing
    and is not stored. Raises UserError where replies cannot be stored, since they would be lost.
    """
    with _storing(store):
        kept = {prompt: store.fetch(_asked(judge, prompt)) for prompt in dict.fromkeys(prompts)}
    found = {prompt: reply for prompt, reply in kept.items() if reply is not None}
    missing = [prompt for prompt, reply in kept.items() if reply is None]

    def arrived(number: int, reply: Reply) -> None:
        if not reply.rejected:
            with _storing(store):
                store.keep(_asked(judge, missing[number]), reply)
        found[missing[number]] = reply

    if missing:
        judge.ask(missing, arrived)
    return found, len(missing)


@contextmanager
def _storing(store: ReplyStore) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "make room there, or name another folder in cache.replies"
        raise UserError(f"{store.root}: replies cannot be stored ({error}); {mend}") from error


def _asked(judge: Judge, prompt: str) -> dict[str, Any]:
    return {"judge": judge.identity, "messages": [{"role": "user", "content": prompt}]}


def rows(judge: Judge, asked: Iterable[Task], replies: Mapping[str, Reply]) -> Iterator[Row]:
    """Rows of JUDGEMENTS."""
    for task in asked:
        reply = replies[task.prompt] if task.prompt is not None else Reply("")
        reading = read(reply) if task.prompt is not None else NOTHING_TO_JUDGE
        yield {
            **{key: task.sample[key] for key in KEYS},
            "dose": task.sample.get("dose"),
            "judge": judge.name,
            "criterion": task.criterion,
            "prompt_sha256": task.prompt and sha256_text(task.prompt),
            "reply": task.prompt and reply.text,
            "n_tokens": reply.n_tokens,
            **_columns(reading),
        }


def _columns(reading: Reading) -> dict[str, Any]:
    names = ("score", "number_mass", "read_from", "answer_class")
    return {name: getattr(reading, name) for name in names}
