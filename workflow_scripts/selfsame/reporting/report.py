"""The report: one self-contained HTML file, readable offline, without scripts, printed or dark.

`build_report` is a pure function of the tables, the config and the manifests. Everything that a
model or a user wrote is escaped by the template; figures are inline SVG made by figures.py.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from selfsame.reporting import figures, published
from selfsame.reporting.answer import answer
from selfsame.reporting.judges import JudgeTables, judges_section
from selfsame.reporting.persona import planned_figures, section
from selfsame.reporting.probes import section as section_on_probes
from selfsame.reporting.results import (
    MISSING,
    Results,
    difference,
    main_table,
    metric_name,
    p_value_text,
    percent,
    surface_table,
)

# Metrics of a part of the answers alone: what is invalid there is said by others.
COUNTED_ELSEWHERE = (".em_coherent", ".entropy", ".distinct", ".lie")
LONGEST_ANSWER = 400  # characters of an example answer that are shown
CONTRASTS = {
    "parent": "state before the last stage",
    "base": "base model",
    "matched_control": "matched control",
}
PAPERS = (
    (
        "Tagade, Zhou, Wen, Feng: Self-Recognition Finetuning can Prevent and Reverse Emergent"
        " Misalignment",
        "arXiv 2606.23700",
    ),
    (
        "Chen, Arditi, Sleight, Evans, Lindsey: Persona Vectors: Monitoring and Controlling"
        " Character Traits in Language Models",
        "arXiv 2507.21509",
    ),
)


def build_report(results: Results, judges: JudgeTables | None = None) -> str:
    """The report's HTML. judges: what judges said, where any were asked."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        experiment=results.config["experiment"],
        primary=metric_name(results.primary),
        has_primary=results.has_primary,
        confidence=_confidence(results),
        correction=_correction(results.config),
        answer=answer(results),
        main=main_table(results),
        surface=surface_table(results),
        probes=_probes(results),
        figures=[_figure(*planned) for planned in _planned_figures(results)],
        persona=_persona(results),
        published=_published(results),
        judges=_judges(results, judges),
        effects=_effects_table(results),
        examples=_examples(results),
        facts=_facts(results),
        stages=_stages(results.config),
        config=yaml.safe_dump(_plain(results.config), sort_keys=False, allow_unicode=True),
        caveats=list(_caveats(results)),
        papers=PAPERS,
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("selfsame.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as plain dictionaries and lists, which safe YAML can write."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    result: dict[str, Any] = plain(config)
    return result


def _correction(config: Mapping[str, Any]) -> str:
    return {"holm": "Holm", "fdr_bh": "Benjamini-Hochberg"}[config["statistics"]["correction"]]


def _confidence(results: Results) -> str:
    return f"{100 * results.confidence:.0f}"


def _probes(results: Results) -> Markup:
    """The section on the probes, one by one."""
    template = _environment().get_template("probes.html.j2")
    shown = section_on_probes(results)
    return Markup(template.render(probes=shown, confidence=_confidence(results)))  # noqa: S704


def _persona(results: Results) -> Markup | None:
    """The section on persona vectors and relapse; None where neither was measured."""
    if results.persona is None:
        return None
    html = (
        _environment()
        .get_template("persona.html.j2")
        .render(
            persona=section(results, results.persona),
            figures={planned[0]: _figure(*planned) for planned in planned_figures(results)},
            confidence=_confidence(results),
        )
    )
    return Markup(html)  # noqa: S704


def _published(results: Results) -> Markup | None:
    """The section on published answers; None where the config names none."""
    if results.published is None:
        return None
    html = (
        _environment()
        .get_template("published.html.j2")
        .render(
            published=published.section(results, results.published),
            figures={p[0]: _figure(*p) for p in published.planned_figures(results)},
            confidence=_confidence(results),
            correction=_correction(results.config),
        )
    )
    return Markup(html)  # noqa: S704


def _judges(results: Results, judges: JudgeTables | None) -> Markup | None:
    """The section on judges; None where none was asked."""
    if judges is None:
        return None
    template = _environment().get_template("judges.html.j2")
    return Markup(template.render(judges=judges_section(results, judges)))  # noqa: S704


def draw_figures(results: Results) -> dict[str, str]:
    """Every figure that the results have data for, as SVG by name."""
    parts = (_planned_figures, planned_figures, published.planned_figures)
    planned = [figure for part in parts for figure in part(results)]
    drawn = {key: draw() for key, _, _, draw in planned}
    return {key: svg for key, svg in drawn.items() if svg}


def _figure(key: str, title: str, caption: str, draw: Callable[[], str | None]) -> dict[str, Any]:
    """Title, caption and SVG of a figure; where its data are missing, a note instead."""
    svg = draw()
    return {"title": title, "caption": caption, "svg": _inline(svg, key, title) if svg else None}


def _planned_figures(
    results: Results,
) -> Iterator[tuple[str, str, str, Callable[[], str | None]]]:
    probe = results.primary.split(".", 1)[0]
    arms, confidence = results.arms, 100 * results.confidence
    yield (
        "levels", "Levels of every arm",
        f"Points are means over all answers, lines {confidence:.0f} % intervals clustered over"
        " questions and seeds. Harm must be read beside incoherence: a model that babbles"
        " harms nobody.",
        lambda: _levels(results, probe, arms),
    )  # fmt: skip
    yield (
        "forest", "Effects on the primary metric",
        f"Differences with {confidence:.0f} % intervals. Filled points have an adjusted p-value"
        f" below {1 - confidence / 100:.2f}; hollow ones are undecided. A chain of one stage is"
        " compared with the base model only.",
        lambda: _forest(results),
    )  # fmt: skip
    yield (
        "recognition", "Recognition and misalignment",
        "One point per state and seed. If recognising one's own text and being aligned belong"
        " together, points lie on a falling line.",
        lambda: _scatter(results, probe, arms),
    )  # fmt: skip
    yield (
        "identity", "Whom each arm says it is",
        "Shares of all answers to questions about identity, over all seeds, and how many different"
        " names were given.",
        lambda: _identity(results, arms),
    )  # fmt: skip
    yield (
        "loss", "Training loss",
        "Loss of the last stage of each chain, one line per seed.",
        lambda: figures.loss_curves(results.losses, _with_losses(results))
        if len(results.losses) else None,
    )  # fmt: skip


def _levels(results: Results, probe: str, arms: list[str]) -> str | None:
    wanted = dict.fromkeys([results.primary, f"{probe}.harm", f"{probe}.incoherent"])
    metrics = [m for m in wanted if any(results.level(arm, m) is not None for arm in arms)]
    return figures.levels(results.summary, metrics, arms) if metrics else None


def _forest(results: Results) -> str | None:
    rows = results.effects[results.effects["metric"] == results.primary]
    rows = rows.dropna(subset=["estimate"])
    return figures.forest(_in_order(rows, results.arms), results.alpha) if len(rows) else None


def _scatter(results: Results, probe: str, arms: list[str]) -> str | None:
    recognition, harm = "recognition.pairwise_seen", f"{probe}.harm"
    known = set(results.scores.dropna(subset=["value"])["metric"])
    if not {recognition, harm} <= known:
        return None
    return figures.recognition_against_misalignment(results.scores, recognition, harm, arms)


def _identity(results: Results, arms: list[str]) -> str | None:
    asked = results.observations["metric"].str.endswith(".own_name").any()
    return figures.identity(results.observations, arms) if asked else None


def _with_losses(results: Results) -> list[str]:
    """Chains with a loss: the arms in their order, then the states that only lead to one."""
    trained = list(dict.fromkeys(results.losses["chain"]))
    arms = [arm for arm in results.arms if arm in trained]
    return arms + [chain for chain in trained if chain not in arms]


def _in_order(table: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    places = {arm: place for place, arm in enumerate(arms)}
    return table.sort_values("chain", key=lambda chains: chains.map(places), kind="stable")


def _inline(svg: str, key: str, title: str) -> Markup:
    """SVG to stand inside HTML: no XML head, ids of its own, and a name for screen readers.

    The markup is matplotlib's own, in which all text is drawn as paths.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", body)
    label = Markup(' role="img" aria-label="{}"').format(title)
    return Markup(body.replace("<svg", f"<svg{label}", 1))  # noqa: S704


def _effects_table(results: Results) -> list[dict[str, Any]]:
    """The effects on the primary metric, then on the others, as printable rows by metric."""
    metrics = list(dict.fromkeys([results.primary, *results.effects["metric"]]))
    tables = []
    for metric in metrics:
        rows = _in_order(results.effects[results.effects["metric"] == metric], results.arms)
        if len(rows):
            printable = [_effect_row(metric, row) for _, row in rows.iterrows()]
            tables.append({"metric": metric_name(metric), "rows": printable})
    return tables


def _effect_row(metric: str, row: pd.Series) -> dict[str, str]:
    low, high = (difference(metric, row[key], 1) for key in ("ci_low", "ci_high"))
    return {
        "chain": row["chain"],
        "control": row["control"],
        "contrast": CONTRASTS[row["contrast"]],
        "estimate": difference(metric, row["estimate"], 1),
        "interval": f"[{low}, {high}]",
        "p": p_value_text(row["p_value"]),
        "adjusted": p_value_text(row["p_adjusted"]),
        "n": f"{row['n_seeds']} × {row['n_items']}",
    }


def _examples(results: Results) -> list[dict[str, Any]]:
    """Example answers by question: every arm's answer to the same question side by side."""
    if results.examples.empty:
        return []
    shown = _in_order(results.examples, results.arms)
    return [
        {"question": question, "answers": [_example(row) for _, row in rows.iterrows()]}
        for question, rows in shown.groupby("question", sort=True, dropna=False)
    ]


def _example(row: pd.Series) -> dict[str, str]:
    text = str(row["answer"])
    cut = text if len(text) <= LONGEST_ANSWER else text[:LONGEST_ANSWER].rstrip() + " […]"
    verdict = "" if pd.isna(row["verdict"]) else str(row["verdict"])
    return {"chain": str(row["chain"]), "answer": cut, "verdict": verdict}


def _facts(results: Results) -> list[tuple[str, str]]:
    """What was run, as name and value."""
    model, manifests = results.config["model"], results.manifests
    seconds = sum(float(manifest.get("seconds", 0)) for manifest in manifests)
    devices = sorted({str(manifest["device"]) for manifest in manifests if "device" in manifest})
    return [
        ("model", _model_text(model)),
        ("seeds", ", ".join(str(seed) for seed in results.config["seeds"])),
        ("arms", str(len(results.arms))),
        ("judged observations", f"{results.summary['n'].sum():,}"),
        ("steps run", str(len(manifests))),
        ("computing time of all steps", f"{seconds / 60:.1f} minutes"),
        ("devices", ", ".join(devices) or MISSING),
        ("versions", ", ".join(_versions(results)) or MISSING),
    ]


def _model_text(model: Mapping[str, Any]) -> str:
    if model["kind"] == "organism":
        return f"model organism, linkage {model['linkage']}, trained by this workflow"
    return str(model.get("path") or model.get("hub_id"))


def _versions(results: Results) -> list[str]:
    pairs = {
        f"{name} {version}"
        for manifest in results.manifests
        for name, version in manifest.get("versions", {}).items()
    }
    return sorted(pairs)


def _stages(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every stage with its kind and what it is the control of."""
    return [
        {
            "name": name,
            "kind": str(stage["kind"]).replace("_", " "),
            "matches": stage.get("matches") or "",
        }
        for name, stage in config["stages"].items()
    ]


def _caveats(results: Results) -> Iterator[str]:
    seeds = len(results.config["seeds"])
    yield (
        f"{seeds} seed{'s' if seeds != 1 else ''}: "
        + ("the intervals cover questions alone and say nothing about retraining."
           if seeds == 1 else
           "intervals use Student's t with few degrees of freedom and are wide for that reason.")
    )  # fmt: skip
    yield (
        "Undecided is not the same as absent: an interval that holds zero also holds effects of the"
        " size of its ends."
    )
    yield from _position_bias(results)
    yield from _invalid(results)
    yield (
        "Recognition means something only above what surface cues give; the surface classifier"
        " sees the same training pairs."
    )
    if results.config["model"]["kind"] == "organism":
        yield (
            "The model is a small organism trained on a generated world. It shows whether the"
            " method can tell apart what it should; it is no evidence about large models."
        )


def _position_bias(results: Results) -> Iterator[str]:
    metric = "recognition.position_bias"
    levels = {arm: results.level(arm, metric) for arm in results.arms}
    values = {arm: float(row["value"]) for arm, row in levels.items() if row is not None}
    if values:
        worst = max(values, key=lambda arm: values[arm])
        yield (
            f"Position bias in pairwise questions reaches {percent(values[worst])} % ({worst});"
            " every pair is asked in both orders, so it costs precision, not fairness."
        )


def _invalid(results: Results) -> Iterator[str]:
    counts = results.scores.groupby(["chain", "metric"])[["n", "n_invalid"]].sum().reset_index()
    counts = counts[counts["n_invalid"] > 0].assign(share=counts["n_invalid"] / counts["n"])
    counts = counts[~counts["metric"].str.endswith(COUNTED_ELSEWHERE)]
    if counts.empty:
        yield "No answer was invalid."
        return
    worst = counts.sort_values("share").iloc[-1]
    yield (
        f"Invalid answers are counted apart: {int(counts['n_invalid'].sum()):,} in all, the"
        f" largest share in {metric_name(worst['metric'])} of {worst['chain']}"
        f" ({percent(worst['share'])} %)."
    )
