"""Have a judge grade one state's free-form answers: its raw replies, and how they read.

Run: python workflow_scripts/ask_judges.py --spec JSON --samples MANIFEST --prompts MANIFEST ...
         [--model MANIFEST] --out DIR
"""

import importlib
from collections import Counter

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write judgements.parquet; a reply that is stored already is not asked for again."""
    from selfsame.judging.asking import replies_to, rows, tasks
    from selfsame.judging.manner import replies_folder
    from selfsame.judging.store import ReplyStore
    from selfsame.tables import judgements, parquet
    from selfsame.tables.prompts import PROMPTS

    judge = importlib.import_module(f"selfsame.judges.{step.spec['judge']['kind']}").load(step)
    files = [path.parent / "prompts.parquet" for path in step.inputs["prompts"]]
    prompts = [row for file in files for row in parquet.read(file, PROMPTS)]
    file = step.folder("samples") / "samples.parquet"
    samples = judgements.read_samples(file, step.spec["probes"])
    asked = list(tasks(samples, prompts, step.spec["wording"], judge.control))
    wanted = (task.prompt for task in asked if task.prompt is not None)
    replies, count = replies_to(judge, ReplyStore(replies_folder()), wanted)
    found = list(rows(judge, asked, replies))
    parquet.write(step.out / judgements.FILE, found, judgements.JUDGEMENTS)
    classes = Counter(row["answer_class"] for row in found)
    told = ", ".join(f"{number:,} {name}" for name, number in classes.most_common())
    return f"{len(found):,} judgements, {count:,} replies asked for: {told or 'nothing to judge'}"


if __name__ == "__main__":
    run(main, inputs=["samples"], lists=["prompts", "model"])
