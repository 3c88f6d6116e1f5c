"""Published per-question answers under our statistics: scores, levels, contrasts, printed figures.

Run: python workflow_scripts/published_numbers.py --spec JSON --answers FILE --out DIR
"""

import json

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write the tables as parquet and publication.json, which says what they are of."""
    from selfsame.published.answers import read_answers
    from selfsame.published.numbers import published_tables
    from selfsame.published.settings import Publication
    from selfsame.statistics.settings import StatisticsSettings
    from selfsame.tables import parquet

    spec = step.spec
    publication = Publication(**spec["publication"])
    answers = read_answers(step.path("answers"), publication, spec["where"], spec["columns"])
    tables = published_tables(answers, publication, StatisticsSettings(**spec["statistics"]))
    for name, (table, schema) in tables.items():
        parquet.write_frame(step.out / f"{name}.parquet", table, schema)
    written = json.dumps(spec["publication"], indent=1, ensure_ascii=False) + "\n"
    (step.out / "publication.json").write_text(written, encoding="utf-8")
    printed = tables["printed"][0]["agrees"]
    return f"{len(answers)} answers, {printed.sum()} of {len(printed)} printed figures agree"


if __name__ == "__main__":
    run(main, inputs=["answers"])
