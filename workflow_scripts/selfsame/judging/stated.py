"""Which of the answers that a question offers a written answer states, where it states just one.

A written answer is untrusted: its beginning alone is read, and it is only ever compared.
"""

import re
from collections.abc import Sequence

LONGEST_READ = 200  # characters
# What may stand before the letter: marks, and words that announce it.
BEFORE = r"[\W_]*(?:(?:(?:the|my)\s+)?(?:\w+\s+)?(?:answer|option|choice)\s*(?:is\b)?[\W_]*)?"
# What must follow it: nothing, or a mark. A letter that a sentence goes on from may be a word.
AFTER = r"(?=\s*(?:$|[\n.):,;\]*\"'/&]))"
ANOTHER = r"\W*(?:(?:and|or)\b)?\W*"


def stated_answer(text: str, answers: Sequence[str]) -> int | None:
    """The index of the answer that a text states; None where it states none, or more than one.

    It counts as stated at the beginning, by itself or announced: `B`, `(b)`, `**B.**`,
    `B: the text of that option`, `The answer is B`; not in `A or B`, nor in `A good question`.
    """
    read = text[:LONGEST_READ].strip()
    found = re.match(f"{BEFORE}({_any_of(answers)}){AFTER}", read, re.IGNORECASE)
    if found is None:
        return None
    if re.match(f"{ANOTHER}(?:{_any_of(answers)}){AFTER}", read[found.end() :], re.IGNORECASE):
        return None
    return _index(found[1], answers)


def _any_of(answers: Sequence[str]) -> str:
    return rf"(?<!\w)(?:{'|'.join(map(re.escape, answers))})(?!\w)"


def _index(said: str, answers: Sequence[str]) -> int | None:
    """By its very letters, or else by any case of them if that is one answer alone."""
    if said in answers:
        return list(answers).index(said)
    same = [index for index, answer in enumerate(answers) if answer.lower() == said.lower()]
    return same[0] if len(same) == 1 else None
