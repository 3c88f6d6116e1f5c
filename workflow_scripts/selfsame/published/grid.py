"""The grid of contrasts: which state is held against which, told by the forms of their chains.

The same forms find the contrasts among published conditions and among our own arms. Imports
nothing heavy.
"""

from collections.abc import Iterator, Mapping, Sequence

from selfsame.published.settings import INDUCTION, Condition, Pattern, Publication
from selfsame.published.states import OWN, Contrast, Stage, State
from selfsame.statistics.settings import BASE


def contrasts(patterns: Sequence[Pattern], states: Sequence[State]) -> list[Contrast]:
    """Every contrast of the grid that these states allow, in the grid's and the states' order.

    A chain and its control agree in the variant and name of every role that both have; a role that
    one has in another's place (a benign task in place of self-recognition) agrees in its variant.
    """
    return [
        _contrast(pattern.name, state, control)
        for pattern in patterns
        for state in states
        if _has_form(state, pattern.chain)
        for control in states
        if _has_form(control, pattern.control) and _agree(state, control)
    ]


def published_states(publication: Publication, conditions: Sequence[str]) -> list[State]:
    """These conditions of a publication as states, in the order of its mapping."""
    wanted = set(conditions)
    known = publication.conditions.items()
    return [_state(publication, condition) for name, condition in known if name in wanted]


def chains_of(publication: Publication) -> Mapping[str, str]:
    """The unique chain of each condition: a stage of another variant bears it in its name."""
    found = publication.conditions.items()
    return {name: _state(publication, condition).chain for name, condition in found}


def _state(publication: Publication, condition: Condition) -> State:
    named = zip(condition.stages, condition.variants, strict=True)
    stages = tuple(
        Stage(INDUCTION if name in publication.inductions else name, name, variant)
        for name, variant in named
    )
    return State("+".join(map(_word, stages)) or BASE, stages)


def _word(stage: Stage) -> str:
    return stage.name if stage.variant == OWN else f"{stage.name}_{stage.variant}"


def _has_form(state: State, form: str) -> bool:
    roles = () if form == BASE else tuple(form.split("+"))
    return tuple(stage.role for stage in state.stages) == roles


def _agree(state: State, control: State) -> bool:
    return all(
        place == stage if place.role == stage.role else place.variant == stage.variant
        for place, stage in _counterparts(state, control)
    )


def _counterparts(state: State, control: State) -> Iterator[tuple[Stage, Stage]]:
    """Each stage of the control with the state's stage of its role, else of its place."""
    by_role = {stage.role: stage for stage in state.stages}
    for place, stage in enumerate(control.stages):
        yield by_role.get(stage.role) or state.stages[place], stage


def _contrast(name: str, state: State, control: State) -> Contrast:
    lineage = bool(control.stages) and state.stages[0] == control.stages[0]
    return Contrast(name, _induction(state), state.chain, control.chain, lineage)


def _induction(state: State) -> str:
    return next((_word(stage) for stage in state.stages if stage.role == INDUCTION), "")
