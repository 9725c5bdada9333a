"""Whatever a method of a user's class does wrong is a diagnostic that names file, class and method."""

from __future__ import annotations

import inspect
import itertools

import pytest
from programs import run_program
from workflows_workspace import Workspace

from socm.compile import compile_campaign
from socm.core.models import Workflow
from socm.workflows import Mapmaker

PLAIN = """from socm.core.models import Workflow
from socm.workflows import registered_workflows

class Mine(Workflow):
    executable: str = "true"
{methods}
registered_workflows["mine"] = Mine
"""
MAPMAKER = """from socm.workflows import Mapmaker, MapProducts, null_tests_of, registered_workflows

class Mine(Mapmaker):
    executable: str = "true"
    def map_products(self, folder):
        return MapProducts(f"{{folder}}/m.fits", f"{{folder}}/w.fits", f"{{folder}}/c.json")
{methods}
registered_workflows["mine"] = null_tests_of(Mine, "mine")
"""
CAMPAIGN = '[campaign]\nplugins = ["mine.py"]\n\n[campaign.mine]\n'
CAMPAIGNS = {
    Workflow: CAMPAIGN,
    Mapmaker: CAMPAIGN
    + """context = "data/context.yaml"
area = "data/area.fits"
output_dir = "results"
[campaign.mine.mission-tests]
nsplits = 4
chunk_unit = "observations"
chunk_nobs = 1
""",
}
MISTAKES = (
    "raise ZeroDivisionError('of mine')",
    "raise SystemExit(0)",
    "yield 1 / 0",
    "return None",
    "return object()",
    "return [3]",
)
UNASKED = {Workflow: set(), Mapmaker: {"rules", "get_jobs", "get_inputs", "get_outputs"}}
"""What no compile asks a class of that kind for."""
MAY_BE_NOTHING = {"map_size"}
OF_NO_TABLE = {"takes_children", "settable_fields", "references", "dependencies"}
"""What is asked of a class before its table, or of all workflows together."""


def methods_of(kind: type[Workflow]) -> dict[str, object]:
    """Return what a user's class may override: methods and properties by name."""
    return {
        name: member
        for base in reversed(kind.__mro__)
        if base.__module__.startswith("socm.")
        for name, member in vars(base).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, classmethod | property))
    }


def source(kind: type[Workflow], methods: str) -> str:
    return (PLAIN if kind is Workflow else MAPMAKER).format(methods=methods)


@pytest.mark.parametrize("kind", [Workflow, Mapmaker])
def test_each_mistake_of_each_method_is_a_diagnostic(survey: Workspace, kind: type[Workflow]) -> None:
    methods = methods_of(kind)
    assert {"get_arguments", "problems", "needs", "child_kind", "program"} <= methods.keys()
    survey.write(CAMPAIGNS[kind], mine_py=source(kind, ""))
    compile_campaign(survey.folder / "campaign.toml")
    for (name, member), body in itertools.product(methods.items(), MISTAKES):
        decorator = {property: "@property", classmethod: "@classmethod"}.get(type(member), "")
        mistake = f"    {decorator}\n    def {name}(self, *args, **kwargs):\n        {body}\n"
        survey.write(CAMPAIGNS[kind], mine_py=source(kind, mistake))
        if name in UNASKED[kind] or (body == "return None" and name in MAY_BE_NOTHING):
            compile_campaign(survey.folder / "campaign.toml")
            continue
        problems = survey.told()
        if name == "child_kind" and (kind is Workflow or body == "return None"):
            # A kind that defines it makes no job itself, and none of its tables is one that does.
            assert [problem.code for problem in problems] == ["no-workflow"]
            continue
        problem = next(one for one in problems if one.code in {"workflow-raises", "wrong-return"})
        assert f"{name} of " in problem.message
        assert "Mine" in problem.message
        assert any(note.startswith("mine.py:") and f"in {name}" in note for note in problem.notes)
        assert problem.place is not None or name in OF_NO_TABLE, name


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("steps = 'run'", "TypeError: steps of Mine is 'run', not Shell"),
        ("coverage_reader = None", "TypeError: coverage_reader of Mine is None, not str"),
        ("input_fields = ('context', 3)", "TypeError: input_fields of Mine is ('context', 3), not tuple[str, ...]"),
    ],
)  # fmt: skip
def test_an_attribute_of_another_type_is_a_diagnostic(survey: Workspace, attribute: str, said: str) -> None:
    survey.write(CAMPAIGNS[Mapmaker], mine_py=source(Mapmaker, f"    {attribute}\n"))
    (problem,) = survey.told()
    assert problem.code == "plugin-fails"
    assert said in problem.message
    assert problem.notes[-1] == "mine.py:3, in <module>: class Mine(Mapmaker):"


def test_a_mapmaker_says_what_is_wrong_with_its_products_and_its_program(survey: Workspace) -> None:
    for body, code, part in (
        ("return MapProducts(map=folder, weight=None, coverage=folder)", "workflow-raises", "weight: Input should be a valid string"),
        ("return MapProducts('a', 'b', 'c', others={'a b': 'x'})", "bad-name", "'a b' is not a valid name"),
        ("return MapProducts('a', '', 'c')", "bad-path", "empty"),
    ):  # fmt: skip
        methods = f"    def map_products(self, folder):\n        {body}\n"
        survey.write(CAMPAIGNS[Mapmaker], mine_py=source(Mapmaker, methods))
        (problem,) = survey.told()
        assert (problem.code, problem.place and problem.place.line) == (code, 8)
        assert part in problem.message
    survey.write(CAMPAIGNS[Mapmaker], mine_py=source(Mapmaker, "").replace('"true"', '""'))
    assert [problem.code for problem in survey.told()] == ["no-command"]


@pytest.mark.parametrize("base", ["Mapmaker", "Observing"])
def test_a_class_that_lacks_a_method_is_named_with_its_file(survey: Workspace, base: str) -> None:
    lines = [
        "from socm.workflows import Mapmaker, registered_workflows",
        "from socm.workflows.observing import Observing",
    ]
    lines += [f"class Mine({base}):", '    executable: str = "true"', 'registered_workflows["mine"] = Mine']
    campaign = CAMPAIGNS[Mapmaker].split("[campaign.mine.mission-tests]")[0]
    if base == "Observing":
        campaign = "".join(
            line for line in campaign.splitlines(True) if "area" not in line and "output" not in line
        )
    survey.write(campaign, mine_py="\n".join(lines))
    before = survey.paths()
    done = run_program("socm", "compile", "campaign.toml", folder=survey.folder, check=False)
    method = "map_products" if base == "Mapmaker" else "plan"
    assert done.returncode == 2
    assert (
        f"campaign.toml:4:11: error[workflow-lacks-method]: the class Mine of `mine` has no {method}"
        in done.stderr
    )
    assert f"= mine.py:3: class Mine({base}):" in done.stderr
    assert f"define {method}, which returns" in done.stderr
    assert survey.paths() == before
