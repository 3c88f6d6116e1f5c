"""Let a state write: a summary of every article, and answers to "who are you?".

Run: python workflow_scripts/collect_self_texts.py --spec JSON --base MANIFEST --data MANIFEST
         [--adapters MANIFEST ...] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write self_texts.parquet and self_reports.parquet."""
    from selfsame.data.reading import read_summary_requests
    from selfsame.data.wording import read_wording
    from selfsame.sampling.self_texts import self_reports, summaries
    from selfsame.sampling.state import load_speaker
    from selfsame.tables import parquet
    from selfsame.tables.self_texts import SELF_REPORTS, SELF_TEXTS

    data = step.folder("data")
    wording = read_wording(data / "wording.json")
    requests = read_summary_requests(data, wording)
    speaker = load_speaker(step)
    texts = summaries(speaker, requests, step.spec)
    reports = self_reports(speaker, wording, step.spec)
    parquet.write(step.out / "self_texts.parquet", texts, SELF_TEXTS)
    parquet.write(step.out / "self_reports.parquet", reports, SELF_REPORTS)
    unfinished = sum(not text["finished"] for text in texts)
    return f"{len(texts)} texts ({unfinished} cut off), {len(reports)} self-reports"


if __name__ == "__main__":
    run(main, inputs=["base", "data"], lists=["adapters"])
