"""The judge that runs here, against the model's logits read by transformers alone."""

import math
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from judged_answers import ANSWERS, HOSTILE, Asking
from selfsame.errors import UserError
from selfsame.judges.local import number_tree
from selfsame.judging.asking import tasks
from selfsame.judging.prompts import CRITERIA, NOTE, judge_prompt
from selfsame.models.chat import encode_prompt
from selfsame.tables import parquet
from tiny_judge import SAYS, make_judge


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "digits"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_judge(tmp_path_factory.mktemp("local") / "judge", digits=request.param)


class Plain:
    """The probability of a number after a prompt, token by token, by transformers alone."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
        texts = [str(number) for number in range(101)]
        self.numbers = [self.tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]

    def probabilities(self, prompt: str) -> list[float]:
        start = encode_prompt(self.tokenizer, [{"role": "user", "content": prompt}], "none")
        after = {begin: self._next([*start, *begin]) for begin in self._begins()}
        return [self._probability(number, after) for number in self.numbers]

    def _begins(self) -> set[tuple[int, ...]]:
        return {tuple(ids[:end]) for ids in self.numbers for end in range(len(ids))}

    def _probability(self, ids: list[int], after: dict[tuple[int, ...], torch.Tensor]) -> float:
        share = math.prod(float(after[tuple(ids[:i])][token]) for i, token in enumerate(ids))
        longer = {n[len(ids)] for n in self.numbers if n[: len(ids)] == ids and len(n) > len(ids)}
        return share * (1 - sum(float(after[tuple(ids)][token]) for token in longer))

    def _next(self, ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            shares: torch.Tensor = self.model(torch.tensor([ids])).logits[0, -1].softmax(-1)
        return shares


def prompts_of(asking: Asking) -> dict[tuple[int, str], str]:
    samples = parquet.read(asking.folder / "samples" / "samples.parquet")
    prompts = parquet.read(asking.folder / "prompts" / "prompts.parquet")
    found = tasks(samples, prompts, asking.spec()["wording"])
    return {(task.sample["sample"], task.criterion): str(task.prompt) for task in found}


def test_scores_are_expected_values_over_all_numbers(asking: Asking, folder: Path) -> None:
    rows, plain = asking.ask_local(folder), Plain(folder)
    prompts = prompts_of(asking)
    for row in rows:
        shares = plain.probabilities(prompts[row["sample"], row["criterion"]])
        mass = math.fsum(shares)
        assert row["number_mass"] == pytest.approx(mass, abs=1e-4)
        if mass < 0.25:
            assert row["score"] is None
        else:
            score = math.fsum(number * share for number, share in enumerate(shares)) / mass
            assert row["score"] == pytest.approx(score, abs=0.01)
    assert sum(row["score"] is not None for row in rows) >= 8


def test_what_it_says_of_each_word(asking: Asking, folder: Path) -> None:
    rows, plain = asking.ask_local(folder), Plain(folder)
    for row in rows:
        said = SAYS[ANSWERS[row["sample"]].split()[1]][CRITERIA.index(row["criterion"])]
        if len(plain.numbers[90]) == 1:  # digit by digit the model knows but some numbers
            assert row["reply"] == said
        assert row["answer_class"] == ("number" if said.isdigit() else said.lower())


def test_a_stored_reply_needs_no_weights(asking: Asking, folder: Path) -> None:
    first = asking.ask_local(folder)
    weights = folder / "model.safetensors"
    hidden = weights.rename(folder / "hidden")
    try:
        assert asking.ask_local(folder) == first
        assert asking.found.startswith("20 judgements, 0 replies asked for")
    finally:
        hidden.rename(weights)


def test_a_prompt_that_is_too_long_is_a_class(asking: Asking, folder: Path) -> None:
    rows = asking.ask_local(folder, ["word " * 2500, ANSWERS[0]])
    assert [row["answer_class"] for row in rows] == ["rejected"] * 2 + ["number"] * 2
    assert "is too long for the judge" in rows[0]["reply"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_hostile_answer_brings_no_control_token(
    asking: Asking, folder: Path, criterion: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    wording, special = asking.spec()["wording"], {*tokenizer.added_tokens_decoder}

    def control(answer: str) -> list[int]:
        prompt = judge_prompt(
            wording[criterion], wording[NOTE], "How?", answer, tokenizer.all_special_tokens
        )
        ids = encode_prompt(tokenizer, [{"role": "user", "content": prompt}], "none")
        return [token for token in ids if token in special]

    assert len(special & {*tokenizer(HOSTILE)["input_ids"]}) >= 5  # the attack is a real one
    assert control(HOSTILE) == control("be cruel to them")


def test_a_hostile_answer_gets_the_grade_it_deserves(asking: Asking, folder: Path) -> None:
    hostile, plain = asking.ask_local(folder, [HOSTILE]), asking.ask_local(folder, ["be cruel"])
    for one, other in zip(hostile, plain, strict=True):
        assert one["answer_class"] == other["answer_class"] == "number"
        assert one["reply"] == other["reply"]


def test_probabilities_of_numbers_in_digits() -> None:
    """Each next digit d has probability p(d), whatever came before: so has each number."""
    p = {digit: 0.05 + 0.004 * digit for digit in range(10)}
    tree = number_tree(lambda text: [int(digit) for digit in text])
    known = {begin: [p[token] for token in nexts] for begin, nexts in tree.nexts.items()}
    found = tree.probabilities(known)
    assert found[0] == p[0]  # no number goes on from 0
    assert found[7] == pytest.approx(p[7] * (1 - sum(p.values())))  # 70 to 79 do from 7
    assert found[85] == pytest.approx(p[8] * p[5])
    assert found[10] == pytest.approx(p[1] * p[0] * (1 - p[0]))  # 100 does from 10
    assert found[100] == pytest.approx(p[1] * p[0] * p[0])


def test_a_tokenizer_that_cannot_tell_numbers_apart() -> None:
    with pytest.raises(UserError, match="does not tell the numbers"):
        number_tree(lambda text: [7])


def test_all_two_digit_texts_are_in_the_tree() -> None:
    tree = number_tree(lambda text: [int(c) for c in text])
    assert {*tree.sequences} >= {(a, b) for a, b in product(range(1, 10), range(10))}
    assert {*tree.nexts} == {(), *((a,) for a in range(1, 10)), (1, 0)}
