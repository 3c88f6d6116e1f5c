"""Write the report: figures as SVG and one self-contained page.

Run: python workflow_scripts/report.py --spec JSON --tables MANIFEST [--measures MANIFEST]
         [--published MANIFEST] [--clusters MANIFEST] --base MANIFEST
         --prompts MANIFEST ... --samples MANIFEST ...
         --adapters MANIFEST ... --out DIR
"""

from dataclasses import replace

from selfsame.digests import read_manifest
from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write report.html and figures/*.svg."""
    from selfsame.reporting.gather import read_clusters, read_examples, read_losses, read_tables
    from selfsame.reporting.judges import read_judges
    from selfsame.reporting.published_results import read_published
    from selfsame.reporting.report import build_report, draw_figures

    measures = next((path.parent for path in step.inputs["measures"]), None)
    published = next((path.parent for path in step.inputs["published"]), None)
    results = read_tables(step.folder("tables"), step.spec["config"], measures)
    steps = ("base", "adapters", "samples", "measures", "tables", "published")
    results = replace(
        results,
        published=read_published(published, step.folder("tables")),
        manifests=[read_manifest(path) for role in steps for path in step.inputs[role]],
        clusters=read_clusters(step.inputs["clusters"]),
        losses=read_losses(step.inputs["adapters"]),
        examples=read_examples(
            step.inputs["samples"],
            step.inputs["prompts"],
            step.folder("tables"),
            results.primary.split(".")[0],
        ),
    )
    page = build_report(results, read_judges(step.folder("tables")))
    (step.out / "report.html").write_text(page, encoding="utf-8")
    (step.out / "figures").mkdir()
    for name, svg in draw_figures(results).items():
        (step.out / "figures" / f"{name}.svg").write_text(svg, encoding="utf-8")
    return f"{len(results.arms)} arms"


if __name__ == "__main__":
    run(
        main,
        inputs=["tables", "base"],
        lists=["measures", "published", "clusters", "prompts", "samples", "adapters"],
        reads_manifests=True,
    )
