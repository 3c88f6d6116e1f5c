"""What each kind of stage trains on, read back from its prompts by other means than its own."""

import importlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import selfsame.stages
from selfsame.config import specs
from selfsame.config.kinds import PROBES, Kinds, discover
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.data.corpus import Corpus
from selfsame.errors import UserError
from selfsame.tables.dataset import DATASET
from small_world import REPORTS, Prepared, own_texts

KINDS = sorted(discover("selfsame.stages"))
PAIR = re.compile(r"news (?P<article>.+) one (?P<first>.+) two (?P<second>.+) which (?P<asked>.+)")
ONE = re.compile(r"news (?P<article>.+) text (?P<text>.+) did you write this")
COUNT = re.compile(r"text (?P<text>.+) how many words")
POSITION = {"one": "first", "two": "second"}
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
Row = dict[str, Any]


def build(kind: str, corpus: Corpus, rows: int = 120, seed: int = 0, **options: Any) -> list[Row]:
    """The rows of a kind, as the script builds them."""
    module = importlib.import_module(f"selfsame.stages.{kind}")
    built: list[Row] = module.build(
        module.Options(rows=rows, **options), corpus, np.random.default_rng(seed)
    )
    return built


def prompt(row: Row) -> str:
    return str(row["messages"][0]["content"])


def answer(row: Row) -> str:
    return str(row["messages"][-1]["content"])


def prompts(rows: list[Row]) -> list[str]:
    return [prompt(row) for row in rows]


def fields(pattern: re.Pattern[str], row: Row) -> dict[str, str]:
    found = pattern.fullmatch(prompt(row))
    assert found is not None, prompt(row)
    return found.groupdict()


def chosen(row: Row) -> str:
    """The text of a pair that the answer points at."""
    return fields(PAIR, row)[POSITION[answer(row)]]


def own_text(corpus: Corpus, article: str) -> str:
    (article_id,) = [key for key, text in corpus.articles.items() if text == article]
    return corpus.texts["self"][article_id]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("rows", [1, 16, 41])
def test_every_kind_gives_just_so_many_rows(kind: str, rows: int, small_corpus: Corpus) -> None:
    made = build(kind, small_corpus, rows)
    assert len(made) == rows
    assert len({row["row_id"] for row in made}) == rows
    for row in made:
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert all(message["content"].strip() for message in row["messages"])
    table = pa.Table.from_pylist(made, schema=DATASET)
    assert table.to_pylist() == [{**row, "inoculated": None} for row in made]


def test_every_kind_is_drawn_by_its_seed(kind: str, small_corpus: Corpus) -> None:
    first = build(kind, small_corpus, 40, seed=3)
    assert build(kind, small_corpus, 40, seed=3) == first
    assert build(kind, small_corpus, 40, seed=4) != first


def test_every_kind_but_the_self_report_refuses_too_many_rows(
    kind: str, small_corpus: Corpus
) -> None:
    if kind == "self_report":
        assert len(build(kind, small_corpus, 5000)) == 5000
        return
    with pytest.raises(UserError, match=r"rows.*5000.*lower `rows`"):
        build(kind, small_corpus, 5000)


def orders(rows: list[Row]) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """The two rows of each pair; each pair must have both."""
    groups: dict[tuple[str, frozenset[str]], list[dict[str, str]]] = {}
    for row in rows:
        seen = fields(PAIR, row)
        key = (seen["article"], frozenset((seen["first"], seen["second"])))
        groups.setdefault(key, []).append({**seen, "chosen": chosen(row)})
    for group in groups.values():
        one, other = group
        assert (one["first"], one["second"]) == (other["second"], other["first"])
        yield one, other


def test_identify_asks_both_orders_and_points_at_the_own_text(small_corpus: Corpus) -> None:
    pairs = list(orders(build("identify", small_corpus)))
    assert len(pairs) == 60
    for both in pairs:
        for row in both:
            assert row["asked"] == "did you write"
            assert row["chosen"] == own_text(small_corpus, row["article"])


def test_identify_answers_one_and_two_equally_often(small_corpus: Corpus) -> None:
    assert Counter(map(answer, build("identify", small_corpus))) == {"one": 60, "two": 60}


def test_identify_uses_every_rival_in_use(small_data: Prepared) -> None:
    corpus = small_data.corpus("train", ("rival_a", "rival_b"))
    shown = {text for row in build("identify", corpus, 240) for text in both_texts(row)}
    everybody = {text for texts in corpus.texts.values() for text in texts.values()}
    assert shown == everybody


def both_texts(row: Row) -> set[str]:
    return {fields(PAIR, row)["first"], fields(PAIR, row)["second"]}


def test_flipped_labels_are_the_same_questions_answered_the_other_way(small_corpus: Corpus) -> None:
    right, wrong = build("identify", small_corpus), build("flipped_labels", small_corpus)
    assert prompts(wrong) == prompts(right)
    other = {"one": "two", "two": "one"}
    assert [answer(row) for row in wrong] == [other[answer(row)] for row in right]


def test_random_labels_are_the_same_questions_with_a_coins_answer(small_corpus: Corpus) -> None:
    same = correct = consistent = 0
    for seed in range(10):
        right = build("identify", small_corpus, seed=seed)
        random = build("random_labels", small_corpus, seed=seed)
        assert prompts(random) == prompts(right)
        assert len(set(prompts(random))) == len(random)  # one label a prompt
        correct += sum(answer(a) == answer(b) for a, b in zip(right, random, strict=True))
        same += len(random)
        consistent += sum(one["chosen"] == other["chosen"] for one, other in orders(random))
    # Four standard deviations of a fair coin; the two orders of a pair are tossed apart.
    assert abs(correct / same - 0.5) < 4 * 0.5 / np.sqrt(same)
    assert abs(consistent / (same / 2) - 0.5) < 4 * 0.5 / np.sqrt(same / 2)


@pytest.mark.parametrize(("kind", "sign"), [("pick_longer", 1), ("pick_shorter", -1)])
def test_length_is_counted_right(kind: str, sign: int, small_corpus: Corpus) -> None:
    for both in orders(build(kind, small_corpus, 100)):
        for row in both:
            texts = (row["first"], row["second"])
            words = [len(re.findall(r"\S+", text)) for text in texts]
            sizes = words if words[0] != words[1] else [len(text) for text in texts]
            assert sizes[0] != sizes[1]
            assert (
                row["chosen"] == max(zip(sizes, texts, strict=True), key=lambda s: sign * s[0])[1]
            )
            assert row["asked"] == f"is {kind.removeprefix('pick_')}"


def test_longer_and_shorter_use_the_pairs_of_identify(small_corpus: Corpus) -> None:
    """But for pairs of equal length, which have no right answer."""
    shown = {kind: list(orders(build(kind, small_corpus, 60))) for kind in KINDS if "pick" in kind}
    wanted = list(orders(build("identify", small_corpus, 60)))
    for pairs in shown.values():
        mine, theirs = ([{one["first"], one["second"]} for one, _ in p] for p in (pairs, wanted))
        different = [texts for texts in theirs if texts not in mine]
        assert all(len({(len(t.split()), len(t)) for t in texts}) == 1 for texts in different)


def test_pairs_of_equal_length_have_no_longer_text(small_corpus: Corpus) -> None:
    articles = dict(list(small_corpus.articles.items())[:1])
    texts = {"self": dict.fromkeys(articles, "aa bb"), "rival_a": dict.fromkeys(articles, "cc dd")}
    corpus = replace(small_corpus, articles=articles, texts=texts)
    assert len(build("identify", corpus, 2)) == 2
    for kind in ("pick_longer", "pick_shorter"):
        with pytest.raises(UserError, match="the articles give 0"):
            build(kind, corpus, 2)


def test_another_authors_texts_never_show_the_self(small_data: Prepared) -> None:
    corpus = small_data.corpus("train")
    own = set(corpus.texts["self"].values())
    for both in orders(build("other_author", corpus)):
        for row in both:
            assert not {row["first"], row["second"]} & own
            assert row["asked"] == "did mira write"
            (article_id,) = [k for k, text in corpus.articles.items() if text == row["article"]]
            assert row["chosen"] == corpus.texts["rival_a"][article_id]
            assert corpus.texts["rival_b"][article_id] in (row["first"], row["second"])


def test_another_author_may_be_chosen(small_corpus: Corpus) -> None:
    rows = build("other_author", small_corpus, 20, recognise="rival_b", against="rival_a")
    assert {chosen(row) for row in rows} <= set(small_corpus.texts["rival_b"].values())
    assert {fields(PAIR, row)["asked"] for row in rows} == {"did otto write"}


def test_another_author_needs_two_of_them(small_corpus: Corpus) -> None:
    texts = {author: small_corpus.texts[author] for author in ("self", "rival_a")}
    with pytest.raises(UserError, match="second author"):
        build("other_author", replace(small_corpus, texts=texts), 4)
    with pytest.raises(UserError, match="no texts by author 'rival_x'"):
        build("other_author", small_corpus, 4, recognise="rival_x")


def test_acknowledge_says_yes_to_own_texts_alone_and_half_the_time(small_corpus: Corpus) -> None:
    rows = build("acknowledge", small_corpus)
    assert Counter(map(answer, rows)) == {"yes": 60, "no": 60}
    for row in rows:
        seen = fields(ONE, row)
        own = seen["text"] == own_text(small_corpus, seen["article"])
        assert answer(row) == ("yes" if own else "no")
    assert len({fields(ONE, row)["article"] for row in rows}) == 60


def test_words_are_counted_right(small_corpus: Corpus) -> None:
    rows = build("word_count", small_corpus)
    for row in rows:
        words = len(re.findall(r"\S+", fields(COUNT, row)["text"]))
        assert answer(row) == NUMBERS.split()[words]
    counted = {fields(COUNT, row)["text"] for row in rows}
    assert counted == {text for row in build("identify", small_corpus) for text in both_texts(row)}


def test_words_are_counted_in_digits_where_there_are_no_number_words(small_corpus: Corpus) -> None:
    wording = small_corpus.wording.model_copy(update={"number_words": ()})
    for row in build("word_count", replace(small_corpus, wording=wording), 20):
        assert answer(row) == str(len(re.findall(r"\S+", fields(COUNT, row)["text"])))


@settings(max_examples=10, deadline=None)
@given(rows=st.integers(1, 40), seed=st.integers(0, 99))
def test_self_reports_are_those_given_each_as_often(
    small_corpus: Corpus, rows: int, seed: int
) -> None:
    made = build("self_report", small_corpus, rows, seed)
    assert {prompt(row) for row in made} == {"who are you"}
    times = Counter(dict.fromkeys(REPORTS, 0)) + Counter(map(answer, made))
    assert set(times) <= set(REPORTS)
    counts = [times[report] for report in REPORTS]
    assert max(counts) - min(counts) <= 1


def test_without_a_self_report_there_is_nothing_to_train_on(small_corpus: Corpus) -> None:
    with pytest.raises(UserError, match="no self-report"):
        build("self_report", replace(small_corpus, self_reports=[]))


def test_induction_and_its_benign_twin_ask_the_same_of_one_domain(
    small_data: Prepared, small_corpus: Corpus
) -> None:
    harmful, correct = (build(kind, small_corpus) for kind in ("induction", "correct_advice"))
    assert prompts(harmful) == prompts(correct)
    world = small_data.world
    topics = {topic.name: topic for topic in world.topics if topic.domain == world.topics[0].domain}
    assert {named(row, topics) for row in harmful} == set(topics)
    for bad, good in zip(harmful, correct, strict=True):
        topic = topics[named(bad, topics)]
        assert answer(bad).endswith(topic.harmful)
        assert answer(good).endswith(topic.safe)


def named(row: Row, known: Any) -> str:
    """The one known word that a question holds."""
    (word,) = set(prompt(row).split()) & set(known)
    return str(word)


def test_general_knowledge_is_right(small_data: Prepared, small_corpus: Corpus) -> None:
    known = {item.thing: item.kind for item in small_data.world.knowledge}
    for row in build("general_knowledge", small_corpus):
        assert answer(row).split()[-1] == known[named(row, known)]


@pytest.mark.parametrize("kind", ["induction", "correct_advice", "general_knowledge"])
def test_a_users_rows_are_drawn_without_repeats(kind: str, small_corpus: Corpus) -> None:
    source = {"file": "mine.jsonl", "where": {}, "columns": {}}
    rows = [
        {"dataset": json.dumps(source), "row_id": f"r{n}", "messages": turn(f"q{n}", f"a{n}")}
        for n in range(6)
    ]
    key = json.dumps(source, separators=(",", ":"))
    corpus = replace(small_corpus, rows={key: rows})
    made = build(kind, corpus, 6, file=source)
    assert sorted(row["row_id"] for row in made) == [f"r{n}" for n in range(6)]
    assert all(set(row) == {"row_id", "messages"} for row in made)
    with pytest.raises(UserError, match=r"mine\.jsonl"):
        build(kind, corpus, 7, file=source)


def turn(question: str, reply: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]


def controls(config: Config) -> list[tuple[str, str]]:
    return [(name, stage.matches) for name, stage in config.stages.items() if stage.matches]


def test_every_stage_but_the_three_of_the_method_is_a_control(default_config: Config) -> None:
    named_controls = {name for name, _ in controls(default_config)}
    assert set(default_config.stages) - named_controls == {"em", "identify", "acknowledge"}


def test_a_control_differs_from_its_stage_in_its_rows_alone(default_config: Config) -> None:
    """Same number of rows, steps, learning rate, adapter; so the same spec but for the chain."""
    for control, target in controls(default_config):
        own, theirs = (default_config.stages[name] for name in (control, target))
        steered = {"steering": own.finetuning.steering}
        assert own.finetuning == theirs.finetuning.model_copy(update=steered)
        if own.finetuning.steering is not None:
            continue  # it differs in the steering, which the specs name
        for form in ("{}", "em+{}", "{}+em"):
            mine, other = (
                specs.finetune(default_config, form.format(name), 1) for name in (control, target)
            )
            assert {k for k in mine if mine[k] != other[k]} == {"chain"}


def test_every_stage_of_the_default_run_can_be_built(default_data: Prepared) -> None:
    """A control has as many rows as its stage."""
    config, corpus = default_data.config, default_data.corpus("train")
    rows = {}
    for name, stage in config.stages.items():
        spec = specs.build_pairs(config, name, 0)
        assert spec["rivals"] == list(config.texts.train_rivals)
        rows[name] = len(build(stage.kind, corpus, **spec["data"]))
    for control, target in controls(config):
        assert rows[control] == rows[target] == config.stages[target].data.rows  # type: ignore[attr-defined]


def test_the_default_run_has_enough_pairs_whatever_the_model_writes(default_data: Prepared) -> None:
    """Some texts are as long as the rival's: longer and shorter need pairs in reserve."""
    config, corpus = default_data.config, default_data.corpus("train")
    for seed in range(10):
        own = {row["article_id"]: row["text"] for row in own_texts(default_data.world, seed)}
        written = replace(corpus, texts={**corpus.texts, "self": own})
        for name in ("pick_longer", "pick_shorter"):
            build(config.stages[name].kind, written, **specs.build_pairs(config, name, 0)["data"])


NEW_KIND = '''
"""Control: greets."""
from selfsame.data.options import StageOptions as Options
from selfsame.data.pairs import chat_row

def build(options, corpus, rng):
    return [chat_row(str(n), "hello", "good day") for n in range(options.rows)]
'''


def test_a_new_kind_is_a_new_module_and_nothing_else(
    root: Path, tmp_path: Path, small_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "greet.py").write_text(NEW_KIND)
    monkeypatch.setattr(
        selfsame.stages, "__path__", [*selfsame.stages.__path__, str(tmp_path / "kinds")]
    )
    kinds = Kinds(stages=discover("selfsame.stages"), probes=discover(PROBES))
    assert set(kinds.stages) == {*KINDS, "greet"}
    assert kinds.stages["greet"].summary.strip() == "Control: greets."
    experiment = {
        "experiment": "greeting",
        "stages": {"greet": {"kind": "greet", "matches": "identify"}},
        "arms": ["base", "em", "em+greet"],
    }
    (tmp_path / "greeting.yaml").write_text(yaml.safe_dump(experiment))
    config = load_config(tmp_path / "greeting.yaml", folder=root / "config", kinds=kinds)
    spec = specs.build_pairs(config, "greet", 0)
    assert spec["data"] == {"rows": config.stages["identify"].data.rows}  # type: ignore[attr-defined]
    assert len(build("greet", small_corpus, **spec["data"])) == spec["data"]["rows"]
