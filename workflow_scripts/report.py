"""Write the report: figures as SVG and one self-contained page.

Run: python workflow_scripts/report.py --spec JSON --tables MANIFEST --base MANIFEST
         --samples MANIFEST ... --adapters MANIFEST ... --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """placeholder"""
    return "report"


if __name__ == "__main__":
    run(main, inputs=["tables", "base"], lists=["samples", "adapters"])
