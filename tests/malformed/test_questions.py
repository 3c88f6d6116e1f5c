"""Malformed question files, wordings and traits: one line before any job. They are untrusted."""

from typing import Any

import pytest

from malformed.workplace import Case, Spoil, Workplace, lines, tells

OPEN, CHOICE = "free_form", "facts"


def asked(content: str | bytes, name: str = "q.yaml", probe: str = OPEN, **options: Any) -> Spoil:
    """A probe's questions are a file with this content."""

    def spoil(workplace: Workplace) -> None:
        workplace.put(name, content)
        workplace.document["probes"][probe]["file"] = {"file": name, **options}

    return spoil


def bomb(levels: int = 9, width: int = 10) -> str:
    """Each level is the one before it, many times over: a billion laughs."""
    names = [f"*a{level}" for level in range(levels)]
    lists = [f"- &a{n} [{', '.join([name] * width)}]" for n, name in enumerate(names, start=1)]
    return "\n".join(["- &a0 [lol, lol]", *lists])


GOOD = "- {id: a, paraphrases: [x]}\n"
PROMPTS = "- {id: a, paraphrases: [x], judge_prompts: {aligned: is it good}}\n"
YAML = [
    ("bad YAML", GOOD + "- {id: [1\n", (":3: not valid YAML: ",)),
    ("a tag", "- !!python/object/apply:os.system [exit]", (":1: not valid YAML: ", "the tag")),
    ("a billion laughs", bomb(), ("not usable: its aliases unfold into more than fits",)),
    ("an alias of itself", "- &a {id: a, paraphrases: [*a]}", (":1: not usable: an alias stands",)),
    ("a deep nest", "- " + "[" * 3000, (":1: not valid YAML: nested too deeply",)),
    ("too much", "- " + "x" * 600_000, ("of more than 500,000 bytes is not read",)),
    ("no list", "a: b", (":1: must be a list of questions",)),
    ("nothing", "", (":1: must be a list of questions",)),
    ("UTF-16", GOOD.encode("utf-16"), ("cannot be read", "save it as UTF-8")),
    ("an id twice", GOOD * 2, (":2: item 'a:0' occurs twice",)),
    ("no id", "- {paraphrases: [x]}", (":1: id: is missing",)),
    ("no paraphrases", "- {id: a}", (":1: paraphrases: is missing",)),
    ("none of them", "- {id: a, paraphrases: []}", (":1: paraphrases: must have at least one",)),
    (
        "half a character",
        '- {id: a, paraphrases: ["\\ud800"]}',
        ("paraphrases.0: holds half a ch",),
    ),
    ("an unknown type", "- {id: a, paraphrases: [x], type: rating}", ("type: ", "^free_form")),
    ("a judge's prompt without answer", PROMPTS, ("judge_prompts.aligned: must have {answer} in",)),
]


@pytest.mark.parametrize("case", YAML, ids=[case[0] for case in YAML])
def test_malformed_published_questions(workplace: Workplace, case: tuple[str, Any, Any]) -> None:
    _, content, says = case
    asked(content)(workplace)
    assert tells(workplace.check().line, "probes.free_form.file: q.yaml", *says)


TWICE = lines([{"item": "a", "question": "why?"}] * 2)
JUDGED = lines([{"question": "why?", "reference": {"judge_prompts": {"aligned": "good?"}}}])
TRUTHFULQA = {
    "question": "Question",
    "correct": "Best Answer",
    "incorrect": "Best Incorrect Answer",
}
TABLES = [
    Case("an item twice", asked(TWICE, "q.jsonl"), ("q.jsonl:2: item 'a' occurs twice",)),
    Case(
        "no question",
        asked(lines([{"prompt": "why?"}]), "q.jsonl"),
        ("q.jsonl:1: messages: is missing; there are prompt", "`columns`"),
    ),
    Case(
        "a reference that is none",
        asked(lines([{"question": "why?", "reference": "x"}]), "q.jsonl"),
        ("q.jsonl:1: reference: must be a JSON object",),
    ),
    Case(
        "a judge's prompt of its own without answer",
        asked(JUDGED, "q.jsonl"),
        ("question 'q:1': judge_prompts.aligned: must be a text with {answer}",),
    ),
    Case(
        "a column less than TruthfulQA has",
        asked("Question,Best Answer\na,b\n", "t.csv", CHOICE, columns=TRUTHFULQA),
        ("t.csv:2: no column 'Best Incorrect Answer'; there are Question, Best Answer",),
    ),
    Case(
        "TruthfulQA's own columns",
        asked("Question,Best Answer\na,b\n", "t.csv", CHOICE),
        ("t.csv:2: question, correct, incorrect: are missing; there are Question", "`columns`"),
    ),
    Case(
        "ragged rows",
        asked("question,correct,incorrect\na,b,c\na,b\n", "t.csv", CHOICE),
        ("t.csv:3: has another number of columns than the head line",),
    ),
    Case(
        "one answer twice",
        asked("question,correct,incorrect\na,b,b\n", "t.csv", CHOICE),
        ("t.csv:2: correct and incorrect are the same answer",),
    ),
    Case(
        "YAML for a choice", asked(GOOD, probe=CHOICE), ("q.yaml:1: question, correct, incorrect",)
    ),
    Case("a head alone", asked("question\n", "t.csv", CHOICE), ("t.csv: has no rows",)),
]


@pytest.mark.parametrize("case", TABLES, ids=str)
def test_malformed_question_tables(workplace: Workplace, case: Case) -> None:
    case.spoil(workplace)
    assert tells(workplace.check().line, "probes.", ".file: ", *case.says)


def wording(content: str | bytes) -> Spoil:
    """What the judge is asked stands in this file."""

    def spoil(workplace: Workplace) -> None:
        workplace.put("w.yaml", content)
        workplace.document["judges"]["grader"]["prompts"] = "w.yaml"

    return spoil


def trait(content: str | bytes) -> Spoil:
    """The only trait is this file."""

    def spoil(workplace: Workplace) -> None:
        workplace.put("t.yaml", content)
        workplace.document["persona"] = {"traits": ["t.yaml"]}

    return spoil


def settings(*path: str, **keys: Any) -> Spoil:
    """Keys of the config."""

    def spoil(workplace: Workplace) -> None:
        place = workplace.document
        for name in path:
            place = place.setdefault(name, {})
        place |= keys

    return spoil


JUDGE = ("judges", "grader")
CONFIGS = [
    Case(
        "a wording that is no text",
        wording(b"\xff"),
        ("judges.grader.prompts: w.yaml:1: cannot be",),
    ),
    Case("a wording that is a list", wording("- a"), ("w.yaml:1: must be a mapping of keys",)),
    Case("aliases in a wording", wording("a: &a [x]\nb: [*a]"), ("w.yaml:2: ", "aliases (*name)")),
    Case(
        "a trait that is no text", trait(b"\xff"), ("persona.traits[0]: t.yaml:1: cannot be read",)
    ),
    Case(
        "a trait that is a list", trait("- a"), ("persona.traits[0]: t.yaml:1: must be a mapping",)
    ),
    Case(
        "an unknown judge",
        settings("probes", OPEN, judges=["grader", "gradr"]),
        ("probes.free_form.judges[1]: no judge is called 'gradr'", "grader"),
    ),
    Case(
        "an unknown kind of probe",
        settings("probes", "new", kind="freeform"),
        ("probes.new.kind: 'freeform': unknown kind; did you mean 'free_form'?",),
    ),
    Case(
        "an unknown kind of judge",
        settings(*JUDGE, kind="opnai"),
        ("judges.grader.kind: 'opnai': unknown kind; did you mean 'openai'?",),
    ),
    Case(
        "a port that is none",
        settings(*JUDGE, base_url="http://localhost:99999/v1"),
        ("judges.grader.base_url: must be an http or https address",),
    ),
    Case(
        "a host that is none",
        settings(*JUDGE, base_url="http://[::1/v1"),
        ("judges.grader.base_url: must be an http or https address",),
    ),
    Case(
        "a terminal's code in a key",
        settings(*JUDGE, **{"\x1b[31mmodel": "x"}),
        ("judges.grader.\\x1b[31mmodel: unknown key",),
    ),
]


@pytest.mark.parametrize("case", CONFIGS, ids=str)
def test_configs_that_lead_to_them(workplace: Workplace, case: Case) -> None:
    case.spoil(workplace)
    assert tells(workplace.check().line, *case.says)


@pytest.mark.parametrize(
    "keys",
    [{"key_variable": "sk-4f1c9e"}, {"base_url": "https://me:sk-4f1c9e@example.org/v1"}],
    ids=["for its name", "in an address"],
)
def test_a_key_in_a_config_is_not_shown(workplace: Workplace, keys: dict[str, str]) -> None:
    settings(*JUDGE, **keys)(workplace)
    line = workplace.check().line
    assert tells(line, f"judges.grader.{next(iter(keys))}: must ")
    assert "sk-4f1c9e" not in line
